import { CacheConfigurationError } from '../common/errors.js';
import type { Invalidator, InvalidatorClass } from './invalidator.interface.js';

/** An invalidator as a rule calls it, whatever it was given as. */
export type BoundInvalidator = Invalidator<boolean>;

/** Finds the instance of an invalidator's class. @throws CacheConfigurationError where there is none */
export type ResolveInvalidator = (type: Function, where: string) => object;

interface Invalidating {
  readonly invalidate: BoundInvalidator;
}

function isClass(given: unknown): given is InvalidatorClass<boolean> {
  return typeof given === 'function' && (hasInvalidate(given.prototype) || /^class\b/.test(sourceOf(given)));
}

function hasInvalidate(object: unknown): object is Invalidating {
  return typeof (object as Partial<Invalidating> | undefined)?.invalidate === 'function';
}

function sourceOf(given: Function): string {
  return Function.prototype.toString.call(given);
}

/** What is wrong with what was given as `invalidator`, and what to write; `undefined` where nothing is. */
export function invalidatorProblem(given: unknown): string | undefined {
  const example = `(cached, change) => cached.deleteByPrefix({ user: change.id })`;
  if (typeof given !== 'function')
    return `invalidator is ${String(given)}. Write a function, ${example}, or a class with a method invalidate.`;
  if (!isClass(given) || hasInvalidate(given.prototype)) return undefined;
  return `the invalidator ${given.name} has no method invalidate. Write invalidate(cached, change) { … } in the class, or a function: ${example}.`;
}

/** The function that a rule calls: the one it was given, or the method of the provider whose class it was given. */
export function bindInvalidator(
  given: unknown,
  where: string,
  resolve: ResolveInvalidator,
): BoundInvalidator | undefined {
  if (given === undefined || !isClass(given)) return given as BoundInvalidator | undefined;
  const instance = resolve(given, where);
  if (!hasInvalidate(instance)) {
    throw new CacheConfigurationError(
      'INVALIDATOR',
      `${where} has the invalidator ${given.name}, whose provider is no such class: it has no method invalidate.`,
    );
  }
  return (cached, change) => instance.invalidate(cached, change);
}

/** Outside of Nest: the instances that were made by hand. */
export function invalidatorsAmong(instances: readonly object[]): ResolveInvalidator {
  return (type, where) => {
    const found = instances.find((instance) => instance instanceof type);
    if (found !== undefined) return found;
    throw new CacheConfigurationError(
      'INVALIDATOR',
      `${where} has the invalidator ${type.name}, which Nest would provide. Outside of Nest write ` +
        `attachInvalidation(dataSource, { invalidators: [new ${type.name}(…)], … }).`,
    );
  };
}
