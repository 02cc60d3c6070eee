import { isObserved, runUnobserved } from './observed-reads.js';

/**
 * Replaces a member by an accessor that passes its value to `read`, which returns the value for the reader. A value that code sets
 * afterwards is not watched.
 *
 * @param isLasting the object outlives the request: values that code sets afterwards are watched too
 * @returns false if the member cannot be replaced
 */
export function observeMember(
  target: object,
  member: string | symbol,
  read: (value: unknown) => unknown,
  isLasting = false,
): boolean {
  const own = Reflect.getOwnPropertyDescriptor(target, member);
  const found = own ?? inheritedDescriptor(target, member);
  let value: unknown = found?.value;
  let isWritten = false;
  return Reflect.defineProperty(target, member, {
    configurable: true,
    enumerable: own?.enumerable ?? false,
    get(this: unknown) {
      const current = found?.get === undefined ? value : (Reflect.apply(found.get, this, []) as unknown);
      return isWritten || !isObserved() ? current : read(current);
    },
    set(this: unknown, next: unknown) {
      isWritten = !isLasting;
      if (found?.set === undefined) value = next;
      else Reflect.apply(found.set, this, [next]);
    },
  });
}

/** Excludes accessors of the platform from the watch: the key contains their values, so what they read does not count. */
export function hideReadsOf(target: object, members: readonly string[]): void {
  for (const member of members) {
    if (Object.hasOwn(target, member)) continue;
    const get = inheritedDescriptor(target, member)?.get;
    if (get === undefined) continue;
    Reflect.defineProperty(target, member, {
      configurable: true,
      enumerable: false,
      get: () => runUnobserved(() => Reflect.apply(get, target, []) as unknown),
      set: (value: unknown) =>
        void Reflect.defineProperty(target, member, {
          value,
          configurable: true,
          enumerable: true,
          writable: true,
        }),
    });
  }
}

/** Platforms declare some members on prototypes, with the value null. */
function inheritedDescriptor(target: object, member: string | symbol): PropertyDescriptor | undefined {
  let level = Object.getPrototypeOf(target) as object | null;
  for (; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, member);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}

/**
 * Wraps an object so that reads of members other than these are reported, including missing members and enumeration.
 *
 * @returns `undefined` for an instance of a class: its methods may need the object itself
 */
export function membersWatched(
  value: unknown,
  known: ReadonlySet<string>,
  report: () => void,
): object | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && prototype !== Object.prototype) {
    report();
    return undefined;
  }
  const look = (target: object, name: string | symbol): void => {
    const isInherited = name in target && !Object.hasOwn(target, name);
    if (typeof name === 'string' && !known.has(name) && !isInherited) report();
  };
  return new Proxy(value, {
    get(target, name) {
      look(target, name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      look(target, name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      look(target, name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      report();
      return Reflect.ownKeys(target);
    },
  });
}
