// Two lanes. The first begins with the files that time a failover on machines, one at a time; the second with all files that
// need no machines. Whichever lane is free takes the next of the machines that nobody times, and once nothing is timed any more
// there is a third one: machines that boot and install leave a third of two cores idle. Each worker for files without
// machines has a network of its own: two of them can have MAAS' ports on 127.0.0.1, and so can another run of the tests on this machine.
import { join } from 'node:path';
import TestRunner, { EmittingTestRunner } from 'jest-runner';

const OWN_NETWORK = join(import.meta.dirname, 'own-network.sh');
/** The files on machines that bear a busy neighbour. */
const UNTIMED =
  /\/(?:chaos|walk)\/|\/deploy\/(?:guestbook|life-cycle|shared-machine|snap)\.|\/(?:build|host\/machine|robustness\.machine|tutorial\.machine)\.test/;

export default class Runner extends EmittingTestRunner {
  /** One of machines for each lane. */
  #lanes;
  /** Files without machines, beside machines: a core is left to those. */
  #beside;
  /** Files without machines, where no others run: half the time of a test of daemons goes into waiting for them. */
  #alone;

  constructor(config, context) {
    super(config, context);
    const withWorkers = (maxWorkers) => new TestRunner({ ...config, maxWorkers }, context);
    this.#lanes = [1, 2, 3].map(() => withWorkers(1));
    this.#beside = withWorkers(Math.max(1, config.maxWorkers - 1));
    this.#alone = withWorkers(2 * config.maxWorkers);
  }

  async runTests(tests, watcher) {
    const needsMachines = ({ context }) => context.config.displayName?.name === 'machines';
    const machines = tests.filter((test) => needsMachines(test));
    const timed = machines.filter(({ path }) => !UNTIMED.test(path));
    const untimed = machines.filter(({ path }) => UNTIMED.test(path));
    const others = tests.filter((test) => !needsMachines(test));
    if (this._globalConfig.runInBand) return this.#alone.runTests(tests, watcher, { serial: true });
    if (machines.length === 0) return this.#runInOwnNetworks(this.#alone, others, watcher);
    const run = (runner, files) => files.length > 0 && runner.runTests(files, watcher, { serial: false });
    const takeUntimed = async (runner) => {
      for (let next = untimed.shift(); next; next = untimed.shift()) await run(runner, [next]);
    };
    const [first, second, third] = this.#lanes;
    await Promise.all([
      Promise.resolve(run(first, timed)).then(() => Promise.all([takeUntimed(first), takeUntimed(third)])),
      this.#runInOwnNetworks(this.#beside, others, watcher).then(() => takeUntimed(second)),
    ]);
  }

  on(event, listener) {
    const listening = [...this.#lanes, this.#beside, this.#alone].map((runner) => runner.on(event, listener));
    return () => {
      for (const stop of listening) stop();
    };
  }

  /** Workers are started by `process.execPath`, before the runner gives way for the first time. */
  #runInOwnNetworks(runner, tests, watcher) {
    if (tests.length === 0) return Promise.resolve();
    const node = process.execPath;
    process.env.TEST_NODE = node;
    process.execPath = OWN_NETWORK;
    try {
      return runner.runTests(tests, watcher, { serial: false });
    } finally {
      process.execPath = node;
    }
  }
}
