export { ManualClock } from './cache/manual-clock.js';
export type { Clock } from './common/clock.js';
export { chaosStore, seededRandom, type ChaosOptions } from './stores/chaos-store.js';
export { storeConformance, type ConformanceCase, type ConformanceOptions } from './stores/conformance.js';
