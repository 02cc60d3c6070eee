import { definitionOf } from './cached-methods.js';
import type { MethodDefinition } from './definition.js';
import { CacheConfigurationError } from '../common/errors.js';
import type { MethodTarget } from './method-target.js';

/**
 * What a method caches under. A name that its decorator gives is that of the class it stands in: subclasses never share.
 * An overridden method, called through `super`, has a name beside the overriding one.
 */
export function nameOf(definition: MethodDefinition, owner: Function): string {
  const { declaredIn, methodKey, methodName } = definition;
  const declared = definitionOf(owner, methodKey);
  // Without a decorator it is one of those that are cached because all are.
  const isOwn = declared === definition || (declared === undefined && declaredIn === owner);
  if (!isOwn) return `${owner.name}.${definition.where}`;
  if (definition.name === undefined) return `${owner.name}.${methodName}`;
  return owner === declaredIn ? definition.name : `${owner.name}.${definition.name}`;
}

/** The error of two that would cache under one name. */
export function sameName(
  name: string,
  twin: MethodTarget,
  owner: Function,
  definition: MethodDefinition,
): CacheConfigurationError {
  let what = `two classes called ${owner.name}`;
  if (twin.owner === owner) what = 'two cached methods';
  else if (twin.owner.name !== owner.name)
    what = `two methods, ${twin.definition.where} and ${definition.where},`;
  return new CacheConfigurationError(
    'CACHE_NAME',
    `There are ${what} that would share the cached name '${name}'. Give one of them a name of its own: ` +
      `@Cache${definition.kind === 'result' ? 'Result' : 'Response'}({ name: '${name}2', … }).`,
  );
}
