/** Injection token of the cache of the application. */
export const CACHE_RUNTIME = Symbol.for('nestjs-restflow-cache.runtime');

/** Property of a runtime that mocks do not have: tests that mock every dependency (`useMocker()`) inject something in its place. */
export const IS_RUNTIME = Symbol.for('nestjs-restflow-cache.is-runtime');
