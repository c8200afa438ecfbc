// Whole hooks of a rack whose regions give it a secret.
import { expect, test } from '@jest/globals';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { charm } from '../../../charms/maas-rack/src/charm.ts';

test.each(['', ' ', 'abc', 'F'.repeat(32), `${'a'.repeat(31)}\n`, 'a'.repeat(33)])(
  'a secret that is none reaches no file, and the old one stays: %j',
  async (secret) => {
    const unit = inProcess(charm);
    const { state, exitCode } = await unit.run(
      { relation: 'changed', id: 7 },
      stateOf(charm, {
        options: { source: 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./' },
        relations: [
          {
            id: 7,
            endpoint: 'rpc',
            app: 'maas-region',
            appData: {
              'maas-url': 'http://10.0.0.200/MAAS',
              'maas-secret-id': 'secret:9m4e2mr0ui3e8a215n4g',
            },
            units: { 'maas-region/0': {} },
          },
        ],
        secrets: [
          {
            uri: 'secret:9m4e2mr0ui3e8a215n4g',
            owner: 'other',
            revisions: [{ number: 1, content: { 'maas-secret': secret } }],
          },
        ],
      }),
    );
    expect(exitCode).toBe(0);
    expect(state.status).toEqual({
      level: 'blocked',
      message: 'maas-region gave a secret that MAAS would not take',
    });
    expect(unit.resources).toBeUndefined();
  },
);
