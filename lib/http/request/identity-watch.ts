import type { LoadContext } from '../../cache/engine/load-context.js';
import type { HeldIdentity } from '../route/held-identity.js';

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

/** What of a request tells users apart. */
const IDENTITY_PROPERTIES = ['user', 'session', 'cookies', 'signedCookies'] as const;
const IDENTITY_HEADERS = ['cookie', 'authorization'] as const;

/** All headers at once, as they came. */
const ALL_HEADERS = ['rawHeaders', 'headersDistinct'] as const;

/**
 * Watches a request while its handler runs: if the handler reads who the user is, and the key does not hold it, the
 * answer may be meant for that user alone and is not stored.
 *
 * @returns stops watching: middleware that stores sessions reads them as each answer goes out
 */
export function watchIdentity(
  request: object,
  context: LoadContext,
  where: string,
  { whole, members }: HeldIdentity,
): () => void {
  const watch: Watch = { context, active: true };
  for (const property of IDENTITY_PROPERTIES) {
    if (whole.has(property)) continue;
    const reason = `its handler read request.${property}, which its key does not hold: ${adviceOn(property, where)}`;
    const held = members.get(property);
    const within =
      held && ((value: unknown) => membersWatched(value, held, () => report(watch, reason)) ?? value);
    observe(request, property, watch, reason, within);
  }
  const { headers, raw = request } = request as RequestLike;
  const unheld = IDENTITY_HEADERS.filter((name) => !whole.has(name));
  const sent = unheld.find((name) => headers[name] !== undefined);
  for (const name of unheld) {
    const reason = `its handler read the ${name} header, which its key does not hold: ${adviceOn(name, where)}`;
    observe(headers, name, watch, reason);
  }
  if (sent === undefined) return () => (watch.active = false);
  for (const property of ALL_HEADERS) {
    const reason = `its handler read ${property}, and so the ${sent} header, which its key does not hold: ${adviceOn(sent, where)}`;
    observe(raw, property, watch, reason);
  }
  return () => (watch.active = false);
}

function adviceOn(read: string, where: string): string {
  if (read === 'user' || read === 'session') {
    const path = read === 'user' ? 'user.id' : read;
    return `give ${where} a keyConstructor with new RequestValueKeyField('${path}'), or say shared: true`;
  }
  if (read === 'authorization')
    return `give ${where} a keyConstructor that holds the user, or say shared: true`;
  return (
    `give ${where} @VaryOnCookie(), or a keyConstructor with new CookiesKeyField('name') for each of request.cookies that it ` +
    `reads, or say shared: true`
  );
}

interface RequestLike {
  readonly headers: Readonly<Record<string, unknown>>;
  /** Of Fastify: Node's own. */
  readonly raw?: object;
}

interface Watch {
  readonly context: LoadContext;
  active: boolean;
}

function report({ active, context }: Watch, reason: string): void {
  if (active) context.refuse(reason, true);
}

/**
 * Replaces a property by one that reports reads, be it a value or an accessor (as lazy sessions are).
 * @param within what of an object is handed out in its place, to report what is read of it; `undefined`: to get it is to read it
 */
function observe(
  target: object,
  property: string,
  watch: Watch,
  reason: string,
  within?: (value: unknown) => unknown,
): void {
  const own = Reflect.getOwnPropertyDescriptor(target, property);
  const found = own ?? inheritedDescriptor(target, property);
  let value: unknown = found?.value;
  const observed = Reflect.defineProperty(target, property, {
    configurable: true,
    enumerable: own?.enumerable ?? false,
    get(this: unknown) {
      const current = found?.get === undefined ? value : (Reflect.apply(found.get, this, []) as unknown);
      if (within !== undefined && watch.active) return within(current);
      report(watch, reason);
      return current;
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
