export { Entry } from './entry.js';
export { memoryStore, MemoryStore, type MemoryStoreOptions } from './memory-store.js';
export { judgeGeneration, Stamp, type Generation, type Verdict } from './stamp.js';
export type { CacheStore, InvalidationMode, MaybePromise, StoreQuery } from './store.interface.js';
