import 'reflect-metadata';
import type { Duration } from '../common/time.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { methodParameters, type MethodShape } from '../keys/index.js';

/** Makes `{ ttl: '5m' }` of `'5m'`. Any argument other than an object is a lifetime, which is checked later. */
export function optionsOf<T extends object>(options: Duration | T, where: string): T | { ttl: Duration } {
  // TypeScript accepts a function as options, because it has a `name`.
  if (typeof options === 'function') {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `${where} was given ${describe(options)}. For a key write { keyConstructor: … }, for a lifetime that depends ` +
        `on the value { ttl: (value) => '5m' }.`,
    );
  }
  return typeof options === 'object' && options !== null ? options : { ttl: options };
}

/** `Class.method`, for messages. The target is the prototype, or the class itself for a static method. */
export function whereOf(target: object, methodKey: string | symbol): string {
  const owner = typeof target === 'function' ? target : target.constructor;
  return `${owner.name}.${String(methodKey)}`;
}

/**
 * The decorated method.
 *
 * @param what what the decorator applies to, for the error
 * @throws CacheConfigurationError for a class, an accessor, a property, and a call as a standard (TC39) decorator
 */
export function methodOf(
  decorator: string,
  what: string,
  target: object,
  methodKey: string | symbol | undefined,
  descriptor: PropertyDescriptor | undefined,
): (...args: never[]) => unknown {
  // A standard decorator is called with the method and an object that describes it.
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
  const kind =
    descriptor === undefined ? 'a property. Write a method instead of an arrow function' : 'an accessor';
  throw wrongPlace(`@${decorator}() on ${whereOf(target, methodKey)}: ${what}, and this is ${kind}.`);
}

function wrongPlace(message: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_METHOD', message);
}

/** Copies the metadata that earlier decorators wrote on the function which this decorator replaces. */
export function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}

/** The shape of a decorated method, from which its key is planned. */
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
