const swc = {
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
    keepClassNames: true,
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
  swcrc: false,
};

export default {
  testEnvironment: 'node',
  // A test that hangs is told from one on a slow machine.
  testTimeout: 30_000,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Samples import the library by its name; under test that is the source.
    '^nestjs-restflow-cache$': '<rootDir>/lib/index.ts',
    '^nestjs-restflow-cache/(.+)$': '<rootDir>/lib/$1.ts',
  },
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
};
