// What `npm start` does: the whole bundle on this machine, from the sources to a MAAS that answers.
//   npm start -- [--ha-database]   three PostgreSQL servers instead of one
import { optionsOf } from '../options.ts';
import { buildCharms, LocalModel, regionsOf } from './model.ts';

if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error(
    'npm start makes machines on this one, which needs Debian or Ubuntu and root: sudo npm start',
  );
  process.exit(1);
}

const values = optionsOf('npm start -- [--ha-database]   three PostgreSQL servers instead of one', {
  'ha-database': { type: 'boolean', default: false },
});
const started = Date.now();
const model = new LocalModel('maas', { isVerbose: true, isBare: true });
console.log('building the charms');
await buildCharms();
const overlay = values['ha-database'] ? ({ overlay: 'overlay-ha-database.yaml' } as const) : {};
console.log(
  `deploying ${['bundle.yaml', ...Object.values(overlay)].join(' with ')} into the local model "maas"`,
);
await model.deploy({ bundle: 'bundle.yaml', version: '3.7', ...overlay });
await model.juju('wait', '--timeout', '1200');

const vip = await model.freeAddress();
const regions = await regionsOf(vip);
const units = await model.unitsOf('maas-region');
const last = units.at(-1)?.machine ?? '';
/** The unit that MAAS writes to, as every region says it. */
const primary = /writes to (postgresql\/\d+)/.exec(units[0]?.message ?? '')?.[1];
const failover =
  values['ha-database'] && primary !== undefined
    ? `
  npx juju-local stop-machine ${(await model.unit(primary)).machine}                 pull the plug of the database; within some 15 s MAAS writes to another`
    : '';
console.log(`\n${await model.juju('status')}`);
console.log(`MAAS answers at http://${vip}/MAAS with ${regions.length} regions, after ${Math.round((Date.now() - started) / 1000)} s.

Things to try:
  npx juju-local add-unit maas-region          a fourth region, behind every haproxy
  npx juju-local stop-machine ${last}                pull the plug of a region; watch npx juju-local status${failover}
  npx juju-local run maas-region/leader create-admin username=admin email=admin@example.com

npx juju-local destroy-model removes it all.`);
