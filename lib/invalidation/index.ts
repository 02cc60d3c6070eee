export type { ActiveRule } from './active-rule.interface.js';
export { BoundRule } from './bound-rule.js';
export type { Change, ChangeSink } from './change.interface.js';
export type {
  ChangeTransaction,
  Dispatcher,
  DispatchContext,
  DispatcherHost,
  InvalidationJob,
  JobHandler,
} from './dispatcher.interface.js';
export type { ChangeSource, ChangeSourceHost, RowChange } from './change-source.interface.js';
export { DispatcherRegistry, INLINE, type DispatcherSettings } from './dispatcher-registry.js';
export { InvalidationEnqueueError, type Attempt } from './durable-jobs.js';
export type { ForeignRule } from './foreign-rule.js';
export { invalidatorsAmong, type ResolveInvalidator } from './injectable-invalidator.js';
export { InvalidationWorker } from './invalidation-worker.js';
export { InvalidationService } from './invalidation.service.js';
export type { EntityCatalogue, EntityProperty, EntityShape } from './entity-catalogue.interface.js';
export { InvalidationRule, invalidates, type InvalidatesOn } from './invalidation-rule.js';
export {
  type BatchRuleOptions,
  type EntityClass,
  type EntityPath,
  type EntityReference,
  type FieldMapping,
  type InvalidationRuleOptions,
} from './assert-rule-options.js';
export { InvalidationJobError } from './job.js';
export type { Rewarm, RewarmRequest, RewarmValue } from './rewarm.interface.js';
export { rewarmResult } from './rewarm-result.js';
export { Rewarmer, type RunRewarm } from './rewarmer.js';
export type {
  EntityChange,
  InjectableInvalidator,
  InvalidationHandle,
  Invalidator,
  InvalidatorChange,
  InvalidatorClass,
} from './invalidator.interface.js';
export { InvalidationFailedError } from './raised-error.js';
export { RuleExchange, type EntityTables } from './rule-exchange.js';
export { assertEntities, RuleRegistry } from './rule-registry.js';
