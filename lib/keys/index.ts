// Public: what users write in key constructors, and what they may catch.
export { encodeValue } from './canonical.js';
export {
  DefaultKeyConstructor,
  ResponseCacheKeyConstructor,
  type InlineKeyOptions,
  inlineKeyConstructor,
  KeyConstructor,
  type KeyConstructorClass,
  type KeyMeta,
  type KeyConstructorInput,
  toKeyConstructor,
} from './key-constructor.js';
export * from './fields/index.js';
export {
  KeyDefinitionError,
  KeyError,
  type KeyErrorCode,
  PartitionError,
  UnencodableError,
} from './key-errors.js';
export type {
  KeyEnvironment,
  KeyHash,
  KeyRequest,
  KeySettings,
  KeySource,
  MethodShape,
  PartitionValues,
  RouteArgument,
} from './key.interface.js';

// For the other rooms.
export { coarseValue } from './coarse.js';
export { CompiledKey } from './compiled-key.js';
export type { Reconstruction } from './key-arguments.js';
export { createKeyHash } from './hash.js';
export { KeyPlan } from './key-plan.js';
export { readParameters } from './function-source.js';
export { methodParameters } from './method-parameters.js';
export { type PartitionShape, writePartition } from './key-template.js';
export { anySpelling, isCanonical, type Spelling, spellingsOf } from './spellings.js';
