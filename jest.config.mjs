/** How TypeScript becomes JavaScript, here and in processes that tests start. */
export const swc = {
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

const base = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  setupFiles: ['<rootDir>/test/support/deployment.ts'],
};
const modules = {
  '^(\\.{1,2}/.*)\\.js$': '$1',
  // Samples import the library by its name; under test that is the source.
  '^nestjs-restflow-cache$': '<rootDir>/lib/index.ts',
  '^nestjs-restflow-cache/(.+)$': '<rootDir>/lib/$1.ts',
};

/** The specs of the stores, those of failures too, over node-redis in place of ioredis. */
const overNodeRedis = (major, specs) => ({
  ...base,
  displayName: `node-redis ${major}`,
  testMatch: specs,
  moduleNameMapper: {
    '^(?:\\.{1,2}/)+lib/redis\\.js$': '<rootDir>/test/support/over-node-redis.ts',
    ...modules,
    ...(major === 6 ? { '^redis$': 'redis-6' } : {}),
  },
  globals: { TYPEORM_MAJOR: 1 },
});

export default {
  // A test that hangs is told from one on a machine that ten others share.
  testTimeout: 180_000,
  // Modules of the specs that were run stay in a process: with gigabytes of them, each one after takes several times as long.
  workerIdleMemoryLimit: '1GB',
  projects: [
    {
      ...base,
      displayName: 'typeorm 1',
      testMatch: ['**/*.spec.ts'],
      moduleNameMapper: modules,
      globals: { TYPEORM_MAJOR: 1 },
    },
    {
      // What TypeORM's hooks tell, and what is written in its transactions, on its other living major version.
      ...base,
      displayName: 'typeorm 0.3',
      testMatch: [
        '**/test/typeorm/{attach,exact-statements,lookups,open-transactions,operation-entries,operations,postgres-changes,stored-values,transactions,trees}.spec.ts',
        '**/test/dispatchers/{durable,outbox,pg-boss}.spec.ts',
      ],
      moduleNameMapper: { ...modules, '^typeorm$': 'typeorm-0.3' },
      globals: { TYPEORM_MAJOR: 0 },
    },
    {
      // The stores on the other living major version of ioredis, which speaks RESP3.
      ...base,
      displayName: 'ioredis 6',
      testMatch: ['**/test/stores/{bus,conformance,network-waits,race,tiered-store}.spec.ts'],
      moduleNameMapper: { ...modules, '^ioredis$': 'ioredis-6' },
      globals: { TYPEORM_MAJOR: 1 },
    },
    overNodeRedis(5, [
      '**/test/stores/{conformance,race,tiered-store}.spec.ts',
      '**/test/operations/failover.spec.ts',
    ]),
    overNodeRedis(6, [
      '**/test/stores/{conformance,node-redis}.spec.ts',
      '**/test/operations/causes.spec.ts',
    ]),
  ],
};
