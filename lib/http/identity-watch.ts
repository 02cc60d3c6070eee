import type { LoadContext } from '../cache/load-context.js';

/** What of a request tells users apart. */
const IDENTITY_PROPERTIES = ['user', 'session', 'cookies'] as const;
const IDENTITY_HEADERS = ['cookie', 'authorization'] as const;

/**
 * Watches a request while its handler runs: if the handler reads who the user is, and the key does not hold it, the
 * answer may be meant for that user alone and is not stored.
 */
export function watchIdentity(request: object, context: LoadContext, where: string): void {
  for (const property of IDENTITY_PROPERTIES) {
    watch(
      request,
      property,
      context,
      `its handler read request.${property}, which its key does not hold: give ${where} a ` +
        `keyConstructor with new RequestValueKeyField('${property}${property === 'user' ? '.id' : ''}'), or say shared: true`,
    );
  }
  const { headers } = request as { headers: object };
  for (const name of IDENTITY_HEADERS) {
    watch(
      headers,
      name,
      context,
      `its handler read the ${name} header, which its key does not hold: give ${where} a ` +
        `keyConstructor that holds the user, or say shared: true`,
    );
  }
}

/** Replaces a data property by one that reports reads; getters of the platform are left as they are. */
function watch(target: object, property: string, context: LoadContext, reason: string): void {
  const found = findDescriptor(target, property);
  if (found !== undefined && (!('value' in found) || found.configurable !== true)) return;
  let value: unknown = found?.value;
  Object.defineProperty(target, property, {
    configurable: true,
    enumerable: Object.hasOwn(target, property),
    get() {
      context.refuse(reason, true);
      return value;
    },
    set(next: unknown) {
      value = next;
    },
  });
}

/** Platforms declare some properties on the prototype, with null for their value. */
function findDescriptor(target: object, property: string): PropertyDescriptor | undefined {
  for (
    let level: object | null = target;
    level !== null;
    level = Object.getPrototypeOf(level) as object | null
  ) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, property);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}
