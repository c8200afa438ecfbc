const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
  ],
};

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  reporters: ['default', '<rootDir>/test/reporter.mjs'],
  // Machines that are made at the same time would slow each other's failovers down.
  maxWorkers: 1,
  // Milliseconds; nothing is measured by it, and a machine may be five times slower than another.
  testTimeout: 180_000,
};
