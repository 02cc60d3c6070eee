import 'reflect-metadata';
import { CacheConfigurationError } from '../common/errors.js';
import type { MethodDefinition } from './definition.js';
import type { MethodTarget } from './method-target.js';

/** Metadata on the prototype of a class: the `MethodDefinition`s of its own decorated methods. */
export const CACHED_METHODS_METADATA = 'nestjs-restflow-cache:methods';

/** Metadata on a class: invalidations by its methods after success. */
export const INVALIDATIONS_METADATA = 'nestjs-restflow-cache:invalidations';

/** Metadata on the prototype of a class: events that its decorators invalidate on. */
export const EVENTS_METADATA = 'nestjs-restflow-cache:events';

/**
 * Stores the definition of a decorated method in the metadata of its class: a decorator above may replace the function, but the rules
 * must still be found.
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

/**
 * The definition of a decorated method of a class, also an inherited one, unless the class overrides the method. A class may decorate a
 * method that it inherits.
 */
export function definitionOf(owner: Function, method: PropertyKey): MethodDefinition | undefined {
  for (const level of levelsOf(owner)) {
    const definition = declaredOn(level).find(({ methodKey }) => methodKey === method);
    if (definition !== undefined || Object.hasOwn(level, method)) return definition;
  }
  return undefined;
}

/** A member of a prototype, also an inherited one. Accessors are not run. */
export function memberOf(prototype: object, key: PropertyKey): unknown {
  for (const level of levelsFrom(prototype)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, key);
    if (descriptor !== undefined) return descriptor.value;
  }
  return undefined;
}

/** The keys of a class's methods and other members, inherited ones included. */
export function memberKeysOf(owner: Function): readonly PropertyKey[] {
  const keys = new Set(levelsOf(owner).flatMap((level) => Reflect.ownKeys(level)));
  keys.delete('constructor');
  return [...keys];
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

/** The prototypes of a class and of its base classes, its own first. */
function levelsOf(owner: Function): readonly object[] {
  return levelsFrom(owner.prototype as object | null | undefined);
}

function levelsFrom(prototype: object | null | undefined): readonly object[] {
  const levels: object[] = [];
  let level = prototype;
  while (level != null && level !== Object.prototype) {
    levels.push(level);
    level = Object.getPrototypeOf(level) as object | null;
  }
  return levels;
}

/**
 * The name of a cached method. Subclasses never share the name that the decorator gives. An overridden method, which `super` calls, has
 * another name than the overriding one.
 */
export function nameOf(definition: MethodDefinition, owner: Function): string {
  const { declaredIn, methodKey, methodName } = definition;
  const declared = definitionOf(owner, methodKey);
  // Without a decorator it is cached by `cacheEverything`.
  const isOwn = declared === definition || (declared === undefined && declaredIn === owner);
  if (!isOwn) return `${owner.name}.${definition.where}`;
  if (definition.name === undefined) return `${owner.name}.${methodName}`;
  return owner === declaredIn ? definition.name : `${owner.name}.${definition.name}`;
}

/** The error of two methods with one name. */
export function duplicateName(
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
    `There are ${what} that would share the cached name '${name}'. Give one of them another name: ` +
      `@Cache${definition.kind === 'result' ? 'Result' : 'Response'}({ name: '${name}2', … }).`,
  );
}
