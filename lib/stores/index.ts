export {
  type BumpLogStore,
  type BumpPosition,
  Entry,
  StoreUnavailableError,
  type StoreHost,
  type CacheStore,
  type InvalidationMode,
  type MaybePromise,
  type StoreQuery,
  type ValueCodec,
  type Wire,
} from './store.interface.js';
export { memoryStore, type MemoryStoreOptions } from './memory-store.js';
export { Stamp, type Generation, type Verdict } from './stamp.js';
