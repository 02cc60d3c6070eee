/**
 * An object as it is, that reports reads of other members than these, and of all at once: what is not there counts too.
 *
 * @returns `undefined` for what is neither a plain object nor a bare one: its methods may need the object itself
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
