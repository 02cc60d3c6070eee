export { Entry } from './entry.js';
export { memoryStore, type MemoryStoreOptions } from './memory-store.js';
export { Stamp, type Generation, type Verdict } from './stamp.js';
export { StoreUnavailableError, type StoreHost } from './store-host.js';
export type {
  CacheStore,
  InvalidationMode,
  MaybePromise,
  StoreQuery,
  ValueCodec,
  Wire,
} from './store.interface.js';
