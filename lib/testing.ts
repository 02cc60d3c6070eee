export { ManualClock } from './testing/manual-clock.js';
export type { Clock } from './common/time.js';
export { chaosStore, seededRandom, type ChaosOptions } from './testing/chaos-store.js';
export { storeConformance, type ConformanceCase, type ConformanceOptions } from './testing/conformance.js';
