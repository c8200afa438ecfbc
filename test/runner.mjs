// Runs the files of the project `machines` one at a time, because failovers are timed and cores are few, and beside them
// all others. Each worker of those has a network of its own: two of them can have MAAS' ports on 127.0.0.1, and so can another run of the tests on this machine.
import { join } from 'node:path';
import TestRunner, { EmittingTestRunner } from 'jest-runner';

const OWN_NETWORK = join(import.meta.dirname, 'own-network.sh');

export default class Runner extends EmittingTestRunner {
  #machines;
  #others;

  constructor(config, context) {
    super(config, context);
    this.#machines = new TestRunner({ ...config, maxWorkers: 1 }, context);
    this.#others = new TestRunner(config, context);
  }

  async runTests(tests, watcher) {
    const needsMachines = ({ context }) => context.config.displayName?.name === 'machines';
    const machines = tests.filter((test) => needsMachines(test));
    const others = tests.filter((test) => !needsMachines(test));
    if (this._globalConfig.runInBand) return this.#others.runTests(tests, watcher, { serial: true });
    await Promise.all([
      this.#runInOwnNetworks(others, watcher),
      machines.length > 0 && this.#machines.runTests(machines, watcher, { serial: false }),
    ]);
  }

  on(event, listener) {
    const listening = [this.#machines, this.#others].map((runner) => runner.on(event, listener));
    return () => {
      for (const stop of listening) stop();
    };
  }

  /** Workers are started by `process.execPath`, before the runner gives way for the first time. */
  #runInOwnNetworks(tests, watcher) {
    if (tests.length === 0) return undefined;
    const node = process.execPath;
    process.env.TEST_NODE = node;
    process.execPath = OWN_NETWORK;
    try {
      return this.#others.runTests(tests, watcher, { serial: false });
    } finally {
      process.execPath = node;
    }
  }
}
