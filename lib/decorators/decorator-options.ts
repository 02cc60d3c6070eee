import 'reflect-metadata';
import type { Duration } from '../common/time.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { methodParameters, type MethodShape } from '../keys/index.js';

/** `@CacheResult('5m')` is `@CacheResult({ ttl: '5m' })`. What is no object is a lifetime, right or wrong. */
export function optionsOf<T extends object>(options: Duration | T, where: string): T | { ttl: Duration } {
  // TypeScript takes a function for options: it has a `name`.
  if (typeof options === 'function') {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `${where} was given ${describe(options)}. For a key write { keyConstructor: … }, for a lifetime that depends ` +
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

/**
 * The method that a decorator stands on.
 *
 * @param what the decorator can do, and only for methods
 * @throws CacheConfigurationError for a class, an accessor, a property, and where TypeScript's own decorators are switched off
 */
export function methodOf(
  decorator: string,
  what: string,
  target: object,
  methodKey: string | symbol | undefined,
  descriptor: PropertyDescriptor | undefined,
): (...args: never[]) => unknown {
  // What the standard's decorators are called with: the method, and an object that describes it.
  if (typeof methodKey === 'object') {
    throw wrongPlace(
      `@${decorator}() was called as a standard decorator. Nest's are those of TypeScript: set experimentalDecorators and ` +
        `emitDecoratorMetadata to true in tsconfig.json (in .swcrc: legacyDecorator and decoratorMetadata).`,
    );
  }
  if (methodKey === undefined) {
    throw wrongPlace(
      `@${decorator}() on the class ${(target as Function).name}: ${what}. Write it on the methods.`,
    );
  }
  const value: unknown = descriptor?.value;
  if (typeof value === 'function') return value as (...args: never[]) => unknown;
  const kind = descriptor === undefined ? 'a property; write a method in place of an arrow function' : 'none';
  throw wrongPlace(`@${decorator}() on ${whereOf(target, methodKey)}: ${what}, and this is ${kind}.`);
}

function wrongPlace(message: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_METHOD', message);
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
  const {
    names: parameters,
    rest: restParameter,
    hasUnknownArity,
  } = methodParameters(target.constructor, methodName, original);
  return { className: target.constructor.name, methodName, kind, parameters, restParameter, hasUnknownArity };
}
