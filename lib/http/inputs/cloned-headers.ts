/** A symbol that the proxies of request headers answer. */
export const IS_WATCHED = Symbol('restflow-cache:is-watched');

/** Depth at which headers are looked for: members of the cloned value, or of a request in it. */
const MAX_DEPTH = 3;

let isInstalled = false;

/**
 * Lets `structuredClone()` copy watched headers, since it refuses proxies and watching must not fail a request. Copying counts as a read of
 * all of them.
 */
export function allowClones(): void {
  if (isInstalled) return;
  isInstalled = true;
  const original = globalThis.structuredClone;
  globalThis.structuredClone = function structuredClone<T>(
    value: T,
    options?: Parameters<typeof original>[1],
  ): T {
    try {
      return original(value, options);
    } catch (error) {
      const plain = withoutProxies(value, 0);
      if (plain === value) throw error;
      return original(plain, options) as T;
    }
  };
}

function withoutProxies(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (isWatched(value)) return { ...value };
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && prototype !== Object.prototype && !Array.isArray(value)) return value;
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  let isChanged = false;
  for (const name of Object.keys(copy)) {
    const member = withoutProxies(copy[name], depth + 1);
    isChanged ||= member !== copy[name];
    copy[name] = member;
  }
  return isChanged ? copy : value;
}

function isWatched(value: object): boolean {
  return (value as { readonly [IS_WATCHED]?: unknown })[IS_WATCHED] === true;
}
