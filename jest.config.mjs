import { availableParallelism } from 'node:os';

const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
  ],
};

/** Files that make machines or namespaces with daemons in them, or ask a registry: they need this machine's own network, and time. */
const MACHINES = ['deploy/.+', 'chaos/.+', 'walk/walk', '.+\\.machine', 'shared/host/machine', 'build'];
/** Files that take long for what they tell of one change: daemons, stand-ins, and every event in every state. */
const THOROUGH = [
  'unit/.+/events',
  'unit/maas-(double|snap)/.+',
  'shared/host/crash',
  'shared/juju-ts-ops/(package|init|how-to)',
];

const files = (names) => names.map((name) => `/test/${name}\\.test\\.ts$`);

/** A group of test files: `npm test -- --selectProjects <name>`. */
const project = (displayName, testRegex, testPathIgnorePatterns = []) => ({
  displayName,
  runner: '<rootDir>/test/runner.mjs',
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform,
  testRegex,
  testPathIgnorePatterns,
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
});

export default {
  projects: [
    project('quick', files(['.+']), files([...MACHINES, ...THOROUGH])),
    project('thorough', files(THOROUGH)),
    project('machines', files(MACHINES)),
  ],
  reporters: ['default', '<rootDir>/test/reporter.mjs'],
  maxWorkers: availableParallelism(),
  // Milliseconds; nothing is measured by it, and a machine may be five times slower than another.
  testTimeout: 180_000,
};
