// Imported first: a package that keeps a reference to the unpatched methods could not be recorded.
import { AsyncLocalStorage } from 'node:async_hooks';
import { currentReader } from './readers.js';

type Use = 'entered' | 'read';

let listener: ((use: Use, context: string, by: string) => void) | undefined;

/** Reports each use of an AsyncLocalStorage under the name of its owner, which is the package that used it first. */
export function onContextUse(next: typeof listener): void {
  listener = next;
}

const owners = new WeakMap<object, string>();

function report(storage: object, use: Use | undefined): void {
  const by = currentReader();
  if (by === undefined) return;
  const owner = owners.get(storage) ?? by;
  owners.set(storage, owner);
  if (use !== undefined) listener?.(use, owner, by);
}

type Method = (this: object, ...args: unknown[]) => unknown;
const prototype = AsyncLocalStorage.prototype as unknown as Record<'run' | 'enterWith' | 'getStore', Method>;

for (const name of ['run', 'enterWith'] as const) {
  const original = prototype[name];
  prototype[name] = function (...args) {
    report(this, 'entered');
    return Reflect.apply(original, this, args);
  };
}

const { getStore } = prototype;
prototype.getStore = function () {
  const store = Reflect.apply(getStore, this, []);
  report(this, store === undefined ? undefined : 'read');
  return store;
};
