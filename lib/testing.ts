export { ManualClock } from './testing/manual-clock.js';
export type { Clock } from './common/time.js';
export { chaosStore, seededRandom, type ChaosOptions } from './testing/chaos-store.js';
export { storeConformance, type ConformanceCase, type ConformanceOptions } from './testing/conformance.js';
export { expectFresh, expectHit, type TestedAnswer } from './testing/expect-answer.js';
export { expectCovered } from './testing/expect-covered.js';
export { restflowCacheForTests } from './testing/testing-module.js';
