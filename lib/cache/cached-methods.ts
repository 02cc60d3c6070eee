import 'reflect-metadata';
import { CACHED_METHOD_METADATA } from './cache.constants.js';
import type { MethodDefinition } from './definition.js';

/** The definition of a decorated method of a class, inherited ones included. */
export function definitionOf(owner: Function, method: PropertyKey): MethodDefinition | undefined {
  const member = memberOf(owner, method);
  return member && (Reflect.getMetadata(CACHED_METHOD_METADATA, member) as MethodDefinition | undefined);
}

/** Every decorated method of a class, inherited ones included; an overriding one counts, the overridden does not. */
export function cachedMethodsOf(owner: Function): readonly MethodDefinition[] {
  const names = new Set<PropertyKey>();
  for (let level = owner.prototype as object | null; level !== null && level !== Object.prototype;) {
    for (const name of Reflect.ownKeys(level)) names.add(name);
    level = Object.getPrototypeOf(level) as object | null;
  }
  return [...names].flatMap((name) => definitionOf(owner, name) ?? []);
}

/** A method of a class; accessors are not run. */
function memberOf(owner: Function, name: PropertyKey): Function | undefined {
  for (
    let level = owner.prototype as object | null | undefined;
    level;
    level = Object.getPrototypeOf(level) as object | null
  ) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, name);
    if (descriptor !== undefined)
      return typeof descriptor.value === 'function' ? (descriptor.value as Function) : undefined;
  }
  return undefined;
}
