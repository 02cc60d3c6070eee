import type { LoadContext } from '../cache/load-context.js';

/** What of a request tells users apart. */
const IDENTITY_PROPERTIES = ['user', 'session', 'cookies', 'signedCookies'] as const;
const IDENTITY_HEADERS = ['cookie', 'authorization'] as const;

/** What is read from these headers and from nothing else, so that a key that holds the header holds it too. */
const READ_FROM: Readonly<Record<string, readonly string[]>> = {
  cookie: ['cookies', 'signedCookies', 'cookie'],
  authorization: ['authorization'],
};

/**
 * Watches a request while its handler runs: if the handler reads who the user is, and the key does not hold it, the
 * answer may be meant for that user alone and is not stored.
 *
 * @param vary request headers whose values the key holds
 * @returns stops watching: middleware that stores sessions reads them as each answer goes out
 */
export function watchIdentity(
  request: object,
  context: LoadContext,
  where: string,
  vary: readonly string[],
): () => void {
  const watch: Watch = { context, active: true };
  const keyed = new Set(vary.flatMap((name) => READ_FROM[name] ?? []));
  for (const property of IDENTITY_PROPERTIES) {
    if (keyed.has(property)) continue;
    observe(
      request,
      property,
      watch,
      `its handler read request.${property}, which its key does not hold: give ${where} a ` +
        `keyConstructor with new RequestValueKeyField('${property}${property === 'user' ? '.id' : ''}'), or say shared: true`,
    );
  }
  const { headers } = request as { headers: object };
  for (const name of IDENTITY_HEADERS) {
    if (keyed.has(name)) continue;
    observe(
      headers,
      name,
      watch,
      `its handler read the ${name} header, which its key does not hold: give ${where} a ` +
        `keyConstructor that holds the user, or say shared: true`,
    );
  }
  return () => (watch.active = false);
}

interface Watch {
  readonly context: LoadContext;
  active: boolean;
}

/** Replaces a property by one that reports reads, be it a value or an accessor (as lazy sessions are). */
function observe(target: object, property: string, watch: Watch, reason: string): void {
  const own = Reflect.getOwnPropertyDescriptor(target, property);
  const found = own ?? inheritedDescriptor(target, property);
  let value: unknown = found?.value;
  const observed = Reflect.defineProperty(target, property, {
    configurable: true,
    enumerable: own?.enumerable ?? false,
    get(this: unknown) {
      if (watch.active) watch.context.refuse(reason, true);
      return found?.get === undefined ? value : (Reflect.apply(found.get, this, []) as unknown);
    },
    set(this: unknown, next: unknown) {
      if (found?.set === undefined) value = next;
      else Reflect.apply(found.set, this, [next]);
    },
  });
  if (!observed)
    watch.context.refuse(
      `its request.${property} cannot be watched: say shared: true if the answer does not depend on it`,
      true,
    );
}

/** Platforms declare some properties on the prototype, with null for their value. */
function inheritedDescriptor(target: object, property: string): PropertyDescriptor | undefined {
  let level = Object.getPrototypeOf(target) as object | null;
  for (; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, property);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}
