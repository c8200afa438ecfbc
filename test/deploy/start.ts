// What `npm start` does: the whole bundle on this machine, from the sources to a MAAS that answers.
import { buildCharms, LocalModel, regionsOf } from './model.ts';

if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error(
    'npm start makes six machines on this one, which needs Debian or Ubuntu and root: sudo npm start',
  );
  process.exit(1);
}

const started = Date.now();
const model = new LocalModel('maas', true);
console.log('building the charms');
await buildCharms();
console.log('deploying bundle.yaml into the local model "maas"');
await model.deploy({ bundle: 'bundle.yaml', version: '3.7' });
await model.juju('wait', '--timeout', '1200');

const vip = await model.freeAddress();
const regions = await regionsOf(vip);
console.log(`\n${await model.juju('status')}`);
console.log(`MAAS answers at http://${vip}/MAAS with ${regions.length} regions, after ${Math.round((Date.now() - started) / 1000)} s.

Three things to try:
  npx juju-local add-unit maas-region          a fourth region, behind every haproxy
  npx juju-local stop-machine 1                pull the plug of a region; watch npx juju-local status
  npx juju-local run maas-region/leader create-admin username=admin email=admin@example.com

npx juju-local destroy-model removes it all.`);
