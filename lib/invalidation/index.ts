export { type ActiveRule, BoundRule } from './rules/bound-rule.js';
export type { Change, ChangeSink, ChangeSource, ChangeSourceHost, RowChange } from './change.interface.js';
export type {
  ChangeTransaction,
  Dispatcher,
  DispatchContext,
  DispatcherHost,
  InvalidationJob,
  JobHandler,
} from './jobs/dispatcher.interface.js';
export { DispatcherRegistry, type DispatcherSettings } from './jobs/dispatcher-registry.js';
export { DATA_SOURCE_PATH, INLINE } from './rules/rule-options.js';
export { InvalidationEnqueueError, type Attempt } from './jobs/durable-jobs.js';
export type { ManifestSource, PathColumns, RuleEntity } from './rules/manifest-rule.js';
export { type LocalEntity, RemoteRule } from './rules/remote-rule.js';
export {
  invalidatorsAmong,
  type ResolveInvalidator,
  type EntityChange,
  type InjectableInvalidator,
  type InvalidationHandle,
  type Invalidator,
  type InvalidatorChange,
  type InvalidatorClass,
} from './invalidator.js';
export type { ShutdownDeadline } from '../common/async.js';
export { InvalidationWorker } from './jobs/job-runner.js';
export { InvalidationService } from './invalidation.service.js';
export type { EntityCatalogue, EntityProperty, EntityShape } from './rules/entity-catalogue.interface.js';
export {
  entitiesOf,
  InvalidationRule,
  invalidates,
  type InvalidatesOn,
  type InvalidatesOnOption,
} from './rules/invalidation-rule.js';
export {
  type BatchRuleOptions,
  type EntityClass,
  type EntityPath,
  type EntityReference,
  type FieldMapping,
  type InvalidationRuleOptions,
  type RuleEffect,
} from './rules/rule-options.js';
export { InvalidationJobError } from './jobs/job.js';
export type { Rewarm, RewarmRequest, RewarmValue } from './rewarm/rewarm.js';
export { RewarmSigner } from './rewarm/rewarm-signer.js';
export { Rewarmer, type RunRewarm } from './rewarm/rewarmer.js';
export { rewarmResult } from './rewarm/rewarm-result.js';
export { InvalidationFailedError } from './jobs/rule-failures.js';
export { RuleExchange, type EntityTables } from './exchange/rule-exchange.js';
export { SchemaRecord } from './exchange/schema-record.js';
export { assertEntities, RuleRegistry } from './rules/rule-registry.js';
