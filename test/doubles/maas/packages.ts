/** A Debian package of the stand-in. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
  /** Content by path; those in usr/bin, usr/sbin and usr/lib/maas are executable. */
  readonly files: Readonly<Record<string, string>>;
  readonly postinst: string;
  /** Whether it brings the code of the stand-in. */
  readonly code: boolean;
}

const PYTHON = ['python3', 'python3-psycopg2', 'python3-yaml'];

/** The stand-in of snapd; it brings the code of its one snap. */
export const SNAPD: Package = {
  name: 'snapd',
  version: '2.63-0double1',
  depends: PYTHON,
  files: {
    'usr/bin/snap': '#!/usr/bin/python3\nfrom snap_double import snap_main\nsnap_main()\n',
    'usr/bin/snapctl': '#!/usr/bin/python3\nfrom snap_double import snapctl_main\nsnapctl_main()\n',
  },
  postinst: '',
  code: true,
};

/** The packages of one MAAS version, with the names and dependencies of the real ones. */
export function packagesOf(short: string): readonly Package[] {
  const version = `1:${short}.0-99999-g.5eed-0double1`;
  const services =
    short.localeCompare('3.5', 'en', { numeric: true }) >= 0
      ? ['maas-apiserver', 'maas-temporal', 'maas-temporal-worker']
      : [];
  const own = `(= ${version})`;
  return [
    {
      name: 'maas-common',
      version,
      depends: PYTHON,
      files: {
        'usr/share/maas/version': `${short}.0\n`,
        'usr/lib/maas/maas-common': script('common_main()'),
      },
      postinst: [
        'getent group maas >/dev/null || groupadd --system maas',
        'getent passwd maas >/dev/null || useradd --system --gid maas --home-dir /var/lib/maas --shell /usr/sbin/nologin maas',
        'install -d -o root -g maas -m 0755 /etc/maas',
        'install -d -o maas -g maas -m 0755 /var/lib/maas /var/lib/maas/http',
        '',
      ].join('\n'),
      code: true,
    },
    {
      name: 'maas-region-api',
      version,
      depends: [`maas-common ${own}`, 'bind9'],
      files: {
        'usr/sbin/maas-region': script('region_main()'),
        'usr/sbin/regiond': script('regiond_main()'),
        'usr/sbin/maas-http': script('http_main()'),
        'usr/lib/systemd/system/maas-regiond.service': unit({
          // As the real one: a shell is the main process, so that a stop kills regiond itself at once.
          start: "/bin/sh -c 'exec regiond 2>&1 | tee -a /var/lib/maas/regiond.log'",
          user: 'maas',
          condition: '/etc/maas/regiond.conf',
          requires: services.slice(0, 1),
          after: ['KillMode=mixed'],
        }),
        'usr/lib/systemd/system/maas-http.service': unit({
          start: '/usr/sbin/maas-http',
          user: 'maas',
          requires: [],
          after: [],
        }),
        'usr/lib/systemd/system/maas-http.path':
          '[Path]\nPathExists=/var/lib/maas/http/regiond.nginx.conf\n\n[Install]\nWantedBy=multi-user.target\n',
        ...Object.fromEntries(
          services.flatMap((name) => [
            [`usr/sbin/${name}`, script(`idle_main('${name}')`)],
            [
              `usr/lib/systemd/system/${name}.service`,
              unit({
                start: `/usr/sbin/${name}`,
                user: 'maas',
                condition: '/etc/maas/regiond.conf',
                requires: [],
                after: [],
              }),
            ],
          ]),
        ),
      },
      postinst: [
        'install -d -o root -g bind -m 2775 /etc/bind/maas',
        '[ -e /etc/bind/maas/named.conf.maas ] || echo "// zones of MAAS" >/etc/bind/maas/named.conf.maas',
        'grep -q bind/maas /etc/bind/named.conf.local || echo \'include "/etc/bind/maas/named.conf.maas";\' >>/etc/bind/named.conf.local',
        'systemctl daemon-reload',
        `systemctl enable --quiet --now maas-http.path maas-regiond ${services.join(' ')}`,
        'systemctl restart bind9',
        '',
      ].join('\n'),
      code: false,
    },
    {
      // It brings a PostgreSQL of its own and migrates it: on a region that shares a database, the wrong package.
      name: 'maas-region-controller',
      version,
      depends: [`maas-region-api ${own}`, 'postgresql', 'dbconfig-pgsql'],
      files: {},
      postinst: 'maas-region dbupgrade\n',
      code: false,
    },
    {
      name: 'maas-rack-controller',
      version,
      depends: [`maas-common ${own}`],
      files: {
        'usr/sbin/maas-rack': script('rack_main()'),
        'usr/sbin/rackd': script('rackd_main()'),
        'usr/lib/systemd/system/maas-rackd.service': unit({
          start: '/usr/sbin/rackd',
          user: 'root',
          requires: [],
          after: [],
        }),
      },
      postinst: 'systemctl daemon-reload\nsystemctl enable --quiet --now maas-rackd\n',
      code: false,
    },
  ];
}

function script(call: string): string {
  const name = call.slice(0, call.indexOf('('));
  return `#!/usr/bin/python3\nfrom maas_double import ${name}\n${call}\n`;
}

function unit(service: {
  readonly start: string;
  readonly user: string;
  readonly condition?: string;
  readonly requires: readonly string[];
  readonly after: readonly string[];
}): string {
  return [
    '[Unit]',
    'After=network.target',
    ...service.requires.map((name) => `Requires=${name}.service\nAfter=${name}.service`),
    ...(service.condition === undefined ? [] : [`ConditionPathExists=${service.condition}`]),
    '',
    '[Service]',
    `ExecStart=${service.start}`,
    `User=${service.user}`,
    'Restart=always',
    'RestartSec=10',
    ...service.after,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}
