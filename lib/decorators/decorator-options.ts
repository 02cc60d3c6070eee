import 'reflect-metadata';
import type { Duration } from '../cache/duration.js';
import { CacheConfigurationError } from '../cache/errors.js';
import { describeOption } from '../cache/option-types.js';
import { readParameters, type MethodShape } from '../keys/index.js';

/** `@CacheResult('5m')` is `@CacheResult({ ttl: '5m' })`. What is no object is a lifetime, right or wrong. */
export function optionsOf<T extends object>(options: Duration | T, where: string): T | { ttl: Duration } {
  // TypeScript takes a function for options: it has a `name`.
  if (typeof options === 'function') {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `${where} was given ${describeOption(options)}. For a key write { keyConstructor: … }, for a lifetime that depends ` +
        `on the value { ttl: (value) => '5m' }.`,
    );
  }
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

/** What is known of a decorated method, for its key. */
export function shapeOf(
  kind: MethodShape['kind'],
  target: object,
  methodName: string,
  original: Function,
): MethodShape {
  const { names: parameters, rest: restParameter } = readParameters(original);
  return { className: target.constructor.name, methodName, kind, parameters, restParameter };
}
