// `npm run bench`: the figures of juju-ts-ops, each beside what it is compared with, in one run.
import { execa } from 'execa';
import { hookFigures } from './hook.ts';
import { sizeFigures, startFigures } from './start.ts';

await execa(process.execPath, ['build.mjs', 'test/bench/reader'], { stdio: 'inherit' });
for (const figures of [startFigures, hookFigures, sizeFigures]) {
  for (const { what, ours, theirs, ratio, goal } of await figures()) {
    console.log(
      [
        `${what}: ${ours}`,
        ...(theirs === undefined ? [] : [`against ${theirs}`]),
        ...(ratio === undefined ? [] : [`= ${ratio.toFixed(2)}`]),
        ...(goal === undefined ? [] : [`(at most ${goal})`]),
      ].join(' '),
    );
  }
}
