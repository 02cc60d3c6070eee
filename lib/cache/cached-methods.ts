import 'reflect-metadata';
import { CACHED_METHODS_METADATA } from './cache.constants.js';
import type { MethodDefinition } from './definition.js';
import { CacheConfigurationError } from './errors.js';

/**
 * Writes down a decorated method on its class. Not on the function: a decorator above ours may put another function in
 * its place, and the rules of what it calls must be known all the same.
 *
 * @throws CacheConfigurationError for a static method, or one that is decorated twice
 */
export function declareCachedMethod(prototype: object, definition: MethodDefinition): void {
  const others = declaredOn(prototype);
  if (typeof prototype === 'function') throw unusable(definition, 'it is static: no instance has a cache');
  if (others.some(({ methodKey }) => methodKey === definition.methodKey))
    throw unusable(definition, 'it is cached already. Keep one decorator');
  Reflect.defineMetadata(CACHED_METHODS_METADATA, [...others, definition], prototype);
}

function unusable({ kind, where }: MethodDefinition, why: string): CacheConfigurationError {
  const decorator = kind === 'result' ? 'CacheResult' : 'CacheResponse';
  return new CacheConfigurationError('CACHE_METHOD', `@${decorator}() on ${where}: ${why}.`);
}

/** The definition of a decorated method of a class, inherited ones included; an overridden one does not count. */
export function definitionOf(owner: Function, method: PropertyKey): MethodDefinition | undefined {
  const level = levelsOf(owner).find((one) => Object.hasOwn(one, method));
  return level && declaredOn(level).find(({ methodKey }) => methodKey === method);
}

/** Every decorated method of a class, inherited ones included, also those overridden: `super` may call them. */
export function cachedMethodsOf(owner: Function): readonly MethodDefinition[] {
  return levelsOf(owner)
    .flatMap(declaredOn)
    .filter(
      (definition) =>
        definition.kind === 'result' || definitionOf(owner, definition.methodKey) === definition,
    );
}

function declaredOn(prototype: object): readonly MethodDefinition[] {
  return (Reflect.getOwnMetadata(CACHED_METHODS_METADATA, prototype) ?? []) as readonly MethodDefinition[];
}

/** The prototypes of a class and of those it extends, its own first. */
function levelsOf(owner: Function): readonly object[] {
  const levels: object[] = [];
  let level = owner.prototype as object | null | undefined;
  while (level != null && level !== Object.prototype) {
    levels.push(level);
    level = Object.getPrototypeOf(level) as object | null;
  }
  return levels;
}
