import { inspect, type InspectOptions } from 'node:util';

/** A symbol that the proxies of request headers answer. */
export const IS_WATCHED = Symbol('restflow-cache:is-watched');

/** Depth at which headers are looked for: members of the cloned value, or of a request in it. */
const MAX_DEPTH = 3;

let isInstalled = false;

/**
 * Lets `structuredClone()` and messages to workers copy watched headers, since they refuse proxies and watching must not fail a request.
 * Copying counts as a read of all of them.
 */
export function allowClones(): void {
  if (isInstalled) return;
  isInstalled = true;
  // Not imported above: only applications that boot need it, and loading it takes half a millisecond (`npm run bench -- start`).
  const { MessagePort, Worker } = process.getBuiltinModule('node:worker_threads');
  const holders = [globalThis, Worker.prototype, MessagePort.prototype, BroadcastChannel.prototype];
  for (const [holder, name] of holders.map(
    (one) => [one, one === globalThis ? 'structuredClone' : 'postMessage'] as const,
  ))
    Reflect.defineProperty(holder, name, {
      ...Reflect.getOwnPropertyDescriptor(holder, name),
      value: cloning(Reflect.get(holder, name) as Cloning),
    });
}

type Cloning = (value: unknown, ...options: unknown[]) => unknown;

function cloning(original: Cloning): Cloning {
  return Object.defineProperty(
    function (this: unknown, value: unknown, ...options: unknown[]): unknown {
      try {
        return Reflect.apply(original, this, [value, ...options]) as unknown;
      } catch (error) {
        const plain = withoutProxies(value, 0);
        if (plain === value) throw error;
        return Reflect.apply(original, this, [plain, ...options]) as unknown;
      }
    },
    'name',
    { value: original.name },
  );
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

/** `util.inspect()` prints what is behind a proxy without asking it; it does ask the object behind for a way of its own. */
export function reportPrinting(headers: object): void {
  Reflect.defineProperty(headers, inspect.custom, { value: print, configurable: true, writable: true });
}

function print(this: object, depth: number, options: InspectOptions): string {
  return inspect({ ...this }, { ...options, depth });
}
