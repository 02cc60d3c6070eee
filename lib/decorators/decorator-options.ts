import 'reflect-metadata';
import type { Duration } from '../cache/duration.js';

/** `@CacheResult('5m')` is `@CacheResult({ ttl: '5m' })`. What is no object is a lifetime, right or wrong. */
export function optionsOf<T extends object>(options: Duration | T): T | { ttl: Duration } {
  return typeof options === 'object' && options !== null ? options : { ttl: options };
}

/** Class and method, for messages. The target is the prototype, or the class itself for a static method. */
export function whereOf(target: object, methodKey: string | symbol): string {
  const owner = typeof target === 'function' ? target : target.constructor;
  return `${owner.name}.${String(methodKey)}`;
}

/** Decorators that ran before ours wrote their metadata on the function that ours replaces. */
export function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}
