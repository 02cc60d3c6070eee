export {
  attachInvalidation,
  type AttachedInvalidation,
  type AttachInvalidationOptions,
} from './module/attach-invalidation.js';
export {
  CACHE_MISSING,
  CacheStatus,
  type CacheMetadata,
  type ValueContext,
  type VerifyMethod,
} from './cache/engine/call.js';
export type { CacheReport, MethodReport, RuleReport } from './cache/cache-report.js';
export type { Delivery } from './cache/cache-runtime.js';
export type { KeyContextFunction } from './cache/key-context.js';
export { CachedMethod, type CacheInspection, type RequestDescription } from './cache/cached-method.js';
export { type KeyedOptions, type LoaderContext } from './cache/manual-entry.js';
export { CacheService, type MethodName, type SetOptions } from './cache/cache.service.js';
export type { TransactionHolder } from './cache/open-transaction.js';
export type { Clock, Duration } from './common/time.js';
export {
  CacheConfigurationError,
  CacheTimeoutError,
  CacheUsageError,
  RestflowCacheError,
} from './common/errors.js';
export type { Isolation } from './cache/values/isolation.js';
export type { InstanceClass, TypeOption } from './cache/values/classes.js';
export { CacheControl, type CacheControlOptions } from './decorators/cache-control.decorator.js';
export { CacheResponse } from './decorators/cache-response.decorator.js';
export { InvalidatesCache, type InvalidatesCacheOptions } from './decorators/invalidates-cache.decorator.js';
export {
  InvalidatesOnEvent,
  type InvalidatesOnEventOptions,
} from './decorators/invalidates-on-event.decorator.js';
export type { InvalidationEvent } from './cache/event-invalidations.js';
export { CacheResult } from './decorators/cache-result.decorator.js';
export { CacheResultMany, type CacheResultManyOptions } from './decorators/cache-result-many.decorator.js';
export { NoCache } from './decorators/no-cache.decorator.js';
export { documentCacheHeaders, type OpenApiPaths } from './decorators/open-api.js';
export { Vary, VaryOnCookie } from './decorators/vary.decorator.js';
export type {
  AsyncMethod,
  AsyncMethodDecorator,
  CacheResponseOptions,
  CacheResultOptions,
} from './decorators/cache-options.interface.js';
export { type BackgroundSettings, InvalidationDispatcher } from './dispatchers/index.js';
export {
  outboxDispatcher,
  outboxMigration,
  type OutboxMigration,
  type OutboxMigrationRunner,
  type OutboxOptions,
} from './dispatchers/outbox/outbox.dispatcher.js';
export type { HeaderTarget } from './http/headers/vary.js';
export { setResponseCacheHeaders } from './http/answer/response-headers.js';
export type { CacheableMethod } from './http/route/cacheable-methods.js';
export type { CacheEverythingOptions } from './module/cache-everything.js';
export { explainToken } from './http/explain.js';
export type { FastLaneOptions } from './http/route/fast-lane-option.js';
export type { KeyLimitOption } from './http/route/key-limit.js';
export { watchRequests, type MiddlewareHost } from './http/platform/watched-requests.js';
export type { IgnoreCookiesOption } from './http/inputs/cookies.js';
export type { QueryOption } from './http/route/query-filter.js';
export type { ResponseView } from './http/answer/stored-response.js';
export {
  InvalidationEnqueueError,
  InvalidationJobError,
  InvalidationFailedError,
  InvalidationRule,
  InvalidationWorker,
  invalidates,
  type BatchRuleOptions,
  type ChangeSource,
  type ChangeSourceHost,
  type ChangeTransaction,
  type Dispatcher,
  type DispatchContext,
  type DispatcherHost,
  type DispatcherSettings,
  type EntityChange,
  type EntityClass,
  type EntityPath,
  type EntityReference,
  type FieldMapping,
  type InjectableInvalidator,
  type InvalidatesOn,
  type InvalidatesOnOption,
  type InvalidationHandle,
  type InvalidationJob,
  type InvalidationRuleOptions,
  type RuleEffect,
  type ShutdownDeadline,
  type Invalidator,
  type InvalidatorChange,
  type InvalidatorClass,
  type JobHandler,
  type Rewarm,
  type RewarmRequest,
  type RewarmValue,
  type RowChange,
} from './invalidation/index.js';
export * from './keys/fields/index.js';
export {
  DefaultKeyConstructor,
  inlineKeyConstructor,
  KeyConstructor,
  KeyDefinitionError,
  KeyError,
  PartitionError,
  ResponseCacheKeyConstructor,
  UnencodableError,
  type InlineKeyOptions,
  type KeyConstructorClass,
  type KeyConstructorInput,
  type KeyEnvironment,
  type KeyErrorCode,
  type KeyHash,
  type KeyMeta,
  type KeyRequest,
  type KeySource,
  type MethodShape,
  type PartitionValues,
  type RouteArgument,
} from './keys/index.js';
export {
  CACHE_CHANNELS,
  type VerifyEvent,
  type InvalidateEvent,
  type InvalidationCause,
  type StoreEvent,
} from './observability/events.js';
export type {
  CacheHealth,
  StoreHealth,
  CacheMetrics,
  DispatcherMetrics,
  ChangeSourceState,
  DispatcherState,
  InvalidationMetrics,
  MethodMetrics,
  StoreMetrics,
  StoreState,
} from './observability/metrics.js';
export type {
  MethodVerification,
  StaleCause,
  VerifyMetrics,
  VerifyOutcome,
} from './observability/verify-metrics.js';
export type { VerifyOptions } from './verify/verify-options.js';
export type { DurationMetrics } from './observability/histogram.js';
export type { LoadEvent } from './observability/load-watch.js';
export { CacheHealthIndicator, type CacheIndication } from './module/cache-health.indicator.js';
export { RestflowCacheModule } from './module/restflow-cache.module.js';
export type { DispatcherProvider } from './module/dispatchers.js';
export type {
  RestflowCacheAsyncOptions,
  RestflowCacheOptions,
  RestflowCacheOptionsFactory,
} from './module/options.js';
export {
  Entry,
  memoryStore,
  Stamp,
  StoreUnavailableError,
  type CacheStore,
  type Generation,
  type InvalidationMode,
  type MaybePromise,
  type MemoryStoreOptions,
  type StoreHost,
  type StoreQuery,
  type ValueCodec,
  type Verdict,
  type Wire,
} from './stores/index.js';
export type { Bus, BusStore, Lease, LeaseStore } from './stores/store.interface.js';
export { cacheManagerStore } from './stores/cache-manager-store.js';
export { tieredStore, type TieredStoreOptions } from './stores/tiered-store.js';
