import { stateOf, type State, type TestEvent, type TestUnit } from 'juju-ts-ops/testing';
import type { Charmcraft } from 'juju-ts-ops';
import { charm as rack } from '../../../charms/maas-rack/src/charm.ts';
import { charm as region } from '../../../charms/maas-region/src/charm.ts';
import type { PostgresqlServer } from '../postgresql.ts';

type RegionState = State<typeof region.charmcraft>;
type RackState = State<typeof rack.charmcraft>;

export const MAAS_URL = 'http://127.0.0.1:5240/MAAS';
export const SOURCE_34 = { source: 'snap:3.4/stable', 'maas-url': MAAS_URL };
export const SOURCE_37 = { source: 'snap:3.7/stable', 'maas-url': MAAS_URL };

/** A region that leads, with a database and racks. */
export function regionState(
  { connection: { host, port, user, password } }: PostgresqlServer,
  known: Partial<RegionState> = {},
): RegionState {
  const database = {
    id: 4,
    endpoint: 'database',
    app: 'postgresql',
    appData: {
      database: 'maasdb',
      endpoints: `${host}:${port}`,
      'secret-user': 'secret:9m4e2mr0ui3e8a215n4g',
    },
    units: { 'postgresql/0': {} },
  } as const;
  const racks = { id: 9, endpoint: 'rpc', app: 'maas-rack', units: { 'maas-rack/0': {} } } as const;
  const content = { username: user, password: password.reveal() };
  return stateOf(region, {
    isLeader: true,
    options: SOURCE_34,
    relations: [{ id: 1, endpoint: 'region-cluster', app: 'maas-region' }, database, racks],
    secrets: [{ uri: 'secret:9m4e2mr0ui3e8a215n4g', owner: 'other', revisions: [{ number: 1, content }] }],
    ...known,
  });
}

/** A rack that its regions have told how to reach them. */
export function rackState(secret: string, version: string, source: string): RackState {
  return stateOf(rack, {
    options: { source },
    relations: [
      {
        id: 7,
        endpoint: 'rpc',
        app: 'maas-region',
        appData: {
          'maas-url': MAAS_URL,
          'maas-secret-id': 'secret:9m4e2mr0ui3e8a215n5g',
          'maas-version': version,
          regions: '["region-0"]',
        },
        units: { 'maas-region/0': { maas_url: MAAS_URL } },
      },
    ],
    secrets: [
      {
        uri: 'secret:9m4e2mr0ui3e8a215n5g',
        owner: 'other',
        revisions: [{ number: 1, content: { 'maas-secret': secret } }],
      },
    ],
  });
}

/** What a unit is in the end of these hooks, all of which succeed. */
export async function run<C extends Charmcraft>(
  unit: TestUnit<C>,
  before: State<C>,
  ...events: readonly TestEvent<C>[]
): Promise<State<C>> {
  let state = before;
  for (const event of events) {
    const { exitCode, logs, state: after } = await unit.run(event, state);
    if (exitCode !== 0) throw new Error(logs.map(({ message }) => message).join('\n'));
    state = after;
  }
  return state;
}
