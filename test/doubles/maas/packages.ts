/** A Debian package of the stand-in. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
  /** Folders that are empty in it. */
  readonly folders?: readonly string[];
  /** Content by path; those in usr/bin, usr/sbin and usr/lib/maas are executable. */
  readonly files: Readonly<Record<string, string>>;
  readonly postinst: string;
  readonly postrm?: string;
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
  const isAtLeast = (other: string): boolean => short.localeCompare(other, 'en', { numeric: true }) >= 0;
  const services: readonly Service[] = isAtLeast('3.5') ? SINCE_35 : [];
  const units = ['maas-regiond', ...services.map(({ name }) => name)];
  const own = `(= ${version})`;
  return [
    {
      name: 'maas-common',
      version,
      depends: PYTHON,
      // Nothing makes it again.
      ...(isAtLeast('3.5') && { folders: ['var/lib/maas/certificates'] }),
      files: {
        'usr/share/maas/version': `${short}.0\n`,
        'usr/lib/maas/maas-common': script('maas-common'),
        'usr/sbin/maas-http': script('maas-http'),
        'usr/lib/systemd/system/maas-http.service': unit({
          start: '/usr/sbin/maas-http',
          settings: ['TimeoutStopSec=5', 'KillMode=mixed'],
        }),
      },
      postrm: purging(
        'userdel maas || true',
        `rm -rf ${['secret', 'maas_id', 'http', ...(isAtLeast('3.5') ? ['certificates'] : [])].map(inHome).join(' ')}`,
      ),
      postinst: [
        'getent group maas >/dev/null || groupadd --system maas',
        'getent passwd maas >/dev/null || useradd --system --gid maas --home-dir /var/lib/maas --shell /usr/sbin/nologin maas',
        'install -d -o maas -g maas -m 0755 /etc/maas',
        'install -d -o maas -g maas -m 0755 /var/lib/maas /var/lib/maas/http',
        ...(isAtLeast('3.5') ? ['chown maas:maas /var/lib/maas/certificates'] : []),
        'systemctl daemon-reload',
        'systemctl enable --quiet --now maas-http',
        '',
      ].join('\n'),
      code: true,
    },
    {
      name: 'maas-region-api',
      version,
      depends: [`maas-common ${own}`, 'bind9'],
      folders: [BIND_FOLDER, 'var/lib/bind/maas'],
      files: {
        'usr/sbin/maas-region': script('maas-region'),
        'usr/sbin/regiond': script('regiond'),
        'usr/lib/systemd/system/maas-regiond.service': unit({
          // Until 3.4 a shell is the main process, so that a stop kills regiond itself at once.
          start: isAtLeast('3.5')
            ? '/usr/sbin/regiond'
            : "/bin/sh -c 'exec regiond 2>&1 | tee -a /var/lib/maas/regiond.log'",
          user: 'maas',
          conditions: [REGIOND_CONF],
          requires: isAtLeast('3.6') ? ['maas-apiserver.service'] : [],
          settings: [
            ...RESTARTS,
            'KillMode=mixed',
            // The real one does so itself, with sudo.
            'ExecStartPost=+-/bin/systemctl --no-block start maas-http.service',
          ],
        }),
        ...Object.fromEntries(
          services.flatMap(({ name, program, ...service }) => [
            [`usr/sbin/${program}`, script(program)],
            [
              `usr/lib/systemd/system/${name}.service`,
              unit({ start: `/usr/sbin/${program}`, user: 'maas', ...service }),
            ],
          ]),
        ),
      },
      postinst: [
        OWN_FILES,
        // Whatever zones there were: regiond writes them again.
        `${COMMON} setup-dns`,
        ...dns('maas-region edit_named_options'),
        'systemctl daemon-reload',
        // None is started; the ones that run are restarted by an upgrade.
        `systemctl enable --quiet ${units.join(' ')}`,
        `[ -z "$2" ] || systemctl try-restart ${units.join(' ')}`,
        'systemctl restart bind9',
        '',
      ].join('\n'),
      // The folder is a rack's as well, which may stay. The include of options never stands alone in its line, and stays.
      postrm: [
        'if [ "$1" = remove ] && [ -f /etc/bind/named.conf.local ]; then',
        ...['local', 'options'].map(
          (name) => `  sed -i '\\,^include "/etc/bind/maas/.*";$,d' /etc/bind/named.conf.${name}`,
        ),
        'fi',
        purging(
          `rm -rf ${REGIOND_CONF} /${BIND_FOLDER} ${[...(isAtLeast('3.5') ? ['boot-resources', 'image-storage', 'temporal'] : []), 'maas-regiond.sock'].map(inHome).join(' ')}`,
        ),
        'systemctl restart bind9 || true',
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
      depends: [`maas-common ${own}`, 'bind9'],
      folders: [BIND_FOLDER],
      files: {
        'usr/sbin/maas-rack': script('maas-rack'),
        'usr/sbin/rackd': script('rackd'),
        'usr/lib/systemd/system/maas-rackd.service': unit({
          start: '/usr/sbin/rackd',
          user: 'maas',
          settings: [...RESTARTS, 'KillMode=mixed', 'AmbientCapabilities=CAP_NET_BIND_SERVICE'],
        }),
      },
      postinst: [
        `[ "$2" ] || ${OWN_FILES}`,
        `[ "$(ls -A /${BIND_FOLDER})" ] || ${COMMON} setup-dns`,
        ...dns(`${COMMON} edit-named-options`),
        'systemctl daemon-reload',
        'systemctl enable --quiet maas-rackd',
        'systemctl restart maas-rackd bind9',
        '',
      ].join('\n'),
      postrm: purging(`rm -rf /etc/maas/rackd.conf ${['rpc.state', 'tftp_root'].map(inHome).join(' ')}`),
      code: false,
    },
  ];
}

const BIND_FOLDER = 'etc/bind/maas';
const COMMON = '/usr/lib/maas/maas-common';

/** What root's commands have written is from then on whose the daemons are. */
const OWN_FILES = `for file in ${['secret', 'maas_id'].map(inHome).join(' ')}; do [ ! -f $file ] || chown maas:maas $file; done`;

function inHome(name: string): string {
  return `/var/lib/maas/${name}`;
}

/** What a script does only when its package is purged. */
function purging(...lines: readonly string[]): string {
  return ['if [ "$1" = purge ]; then', ...lines.map((line) => `  ${line}`), 'fi', ''].join('\n');
}

/** MAAS' part of BIND's configuration: whose it is, and that BIND includes it. */
function dns(editOptions: string): readonly string[] {
  return [
    `chown -R maas:maas /${BIND_FOLDER}`,
    `chown maas:root /${BIND_FOLDER}`,
    `chgrp bind /${BIND_FOLDER}/named.conf.rndc.maas`,
    `chmod 640 /${BIND_FOLDER}/named.conf.rndc.maas`,
    `chmod 600 /${BIND_FOLDER}/rndc.conf.maas`,
    "sed -i '/^include\\s.*maas/d' /etc/bind/named.conf.local",
    `${COMMON} get-named-conf --edit --config-path /etc/bind/named.conf.local`,
    `${editOptions} --config-path /etc/bind/named.conf.options`,
  ];
}

/** Each program is a module of its name. */
function script(program: string): string {
  return `#!/usr/bin/python3\nfrom maas_double.${program.replaceAll('-', '_')} import main\nmain()\n`;
}

/** As the real one has it: `Requires=`, where it is said, without an order. */
function unit({
  start,
  user,
  conditions = [],
  requires = [],
  after = [],
  settings,
}: {
  readonly start: string;
  readonly user?: string;
  readonly conditions?: readonly string[];
  readonly requires?: readonly string[];
  readonly after?: readonly string[];
  readonly settings: readonly string[];
}): string {
  return [
    '[Unit]',
    `Requires=${['network-online.target', ...requires].join(' ')}`,
    `After=${['network-online.target', ...after].join(' ')}`,
    ...conditions.map((path) => `ConditionPathExists=${path}`),
    '',
    '[Service]',
    `ExecStart=${start}`,
    ...(user === undefined ? [] : [`User=${user}`]),
    ...settings,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}

const REGIOND_CONF = '/etc/maas/regiond.conf';
const RESTARTS = ['Restart=always', 'RestartSec=10s'];

/** A service of a region beside regiond. */
interface Service {
  readonly name: string;
  readonly program: string;
  readonly conditions: readonly string[];
  readonly after?: readonly string[];
  readonly settings: readonly string[];
}

const SINCE_35: readonly Service[] = [
  {
    name: 'maas-apiserver',
    program: 'maas-apiserver',
    conditions: [REGIOND_CONF],
    settings: [...RESTARTS, 'KillMode=mixed'],
  },
  {
    name: 'maas-temporal',
    program: 'temporal-server',
    conditions: ['/var/lib/maas'],
    settings: ['KillMode=mixed'],
  },
  {
    name: 'maas-temporal-worker',
    program: 'maas-temporal-worker',
    conditions: [REGIOND_CONF],
    after: ['maas-temporal.service'],
    settings: [...RESTARTS, 'KillMode=mixed'],
  },
];
