// The example charm of the framework that is not about MAAS, with all of its relations. The tests build on each other.
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually, secure } from './client.ts';
import { deployed, MINUTE } from './deployed.ts';
import { buildCharms, charmFile, LocalModel } from './model.ts';

const HOSTNAME = 'guestbook.example';
const model = new LocalModel('test-guestbook');

async function addresses(): Promise<readonly string[]> {
  return (await model.unitsOf('guestbook')).map(({ address }) => address);
}

async function book(url: string): Promise<readonly string[]> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.text()).trim().split('\n');
}

describeOnMachines('the example charm guestbook', () => {
  deployed(model, async () => {
    await buildCharms('shared/juju-ts-ops/examples/guestbook');
    await model.deployBundle({
      machines: { '0': {}, '1': {} },
      applications: {
        postgresql: { charm: charmFile('postgresql'), num_units: 1, to: ['0'] },
        ca: { charm: charmFile('self-signed-certificates'), num_units: 1, to: ['0'] },
        guestbook: {
          charm: charmFile('guestbook'),
          num_units: 2,
          to: ['0', '1'],
          options: { hostname: HOSTNAME, title: 'Visitors' },
        },
        haproxy: { charm: charmFile('haproxy') },
        collector: { charm: charmFile('collector') },
      },
      relations: [
        ['guestbook:database', 'postgresql:database'],
        ['guestbook:certificates', 'ca:certificates'],
        ['guestbook:juju-info', 'haproxy:juju-info'],
        ['guestbook:website', 'haproxy:reverseproxy'],
        ['guestbook:cos-agent', 'collector:cos-agent'],
      ],
    });
    await model.settle(400);
  });

  test('every unit serves one book, also behind the balancer of every machine', async () => {
    expect(await model.juju('debug-log', '--replay', '--level', 'ERROR')).toBe('');
    const [first = '', second = ''] = await addresses();
    const written = await fetch(`http://${first}:8080/`, { method: 'POST', body: 'I was here' });
    expect(await written.text()).toBe('thank you\n');
    for (const url of [
      `http://${first}:8080/`,
      `http://${second}:8080/`,
      `http://${first}/`,
      `http://${second}/`,
    ])
      await eventually(30, async () => expect(await book(url)).toEqual(['Visitors', 'I was here']));
  });

  test('HTTPS ends at the units, with certificates of the CA, through the balancer too', async () => {
    for (const address of await addresses())
      for (const port of [443, 8443])
        await eventually(30, async () =>
          expect(await secure(`https://${address}:${port}/`, model.authority(), HOSTNAME)).toContain(
            'I was here',
          ),
        );
    expect(model.relations().join('\n')).not.toContain('PRIVATE KEY');
  });

  test('the collector reads its metrics, and the password of the database is nowhere to be seen', async () => {
    const [collector] = await model.unitsOf('collector');
    const name = collector?.name ?? '';
    await eventually(30, async () => {
      await model.juju('run-hook', name, 'update-status');
      expect((await model.unit(name)).message).toBe('guestbook_guestbook: 2 metrics');
    });
    const config = 'cat /etc/guestbook/config.json; stat -c "%a %U %G" /etc/guestbook/config.json';
    const [text = ''] = Object.values(await model.onEach('guestbook', config));
    expect(text).toMatch(/640 root guestbook$/);
    const password = /"password": "(\S+)"/.exec(text)?.[1] ?? 'none';
    expect(password).not.toBe('none');
    for (const shown of await model.shown()) expect(shown).not.toContain(password);
  });

  test('the balancer sends visitors to the other unit while one is down, and the next hook starts it', async () => {
    const [, unit] = await model.unitsOf('guestbook');
    await model.on(unit?.machine ?? '', 'systemctl stop guestbook');
    await eventually(30, async () => expect(await book(`http://${unit?.address}/`)).toContain('I was here'));
    await model.juju('run-hook', unit?.name ?? '', 'update-status');
    await eventually(10, async () =>
      expect(await book(`http://${unit?.address}:8080/`)).toContain('I was here'),
    );
  });

  test(
    'when it goes, nothing of it stays on the machine',
    async () => {
      await model.juju('remove-application', 'guestbook', '--no-prompt');
      await eventually(120, async () => expect(await model.unitsOf('guestbook')).toEqual([]));
      const left =
        'ls -d /etc/guestbook/* /usr/local/lib/guestbook/* /etc/systemd/system/guestbook*; id guestbook';
      expect(await model.on('0', `{ ${left}; } 2>/dev/null || true`)).toBe('');
      expect(await model.on('0', 'systemctl is-active guestbook || true')).toBe('inactive');
    },
    3 * MINUTE,
  );
});
