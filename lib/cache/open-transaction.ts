import { AsyncLocalStorage } from 'node:async_hooks';
import type { MaybePromise } from '../stores/store.interface.js';

/** A transaction, and those that were open around it. What lies behind it in time keeps the scope, but not the flag. */
interface Scope {
  readonly transaction: OpenTransaction;
  readonly outer: Scope | undefined;
}

const storage = new AsyncLocalStorage<Scope>();
let open = 0;

/**
 * A database transaction that is open. Cached calls in its context bypass the cache: what is cached does not have its
 * changes, and what it reads may be rolled back.
 */
export class OpenTransaction {
  #isOpen = true;
  #atEnd: (() => MaybePromise<void>)[] | undefined;

  constructor() {
    open++;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** From here on the caller's context is inside the transaction. Reaches callers up to the first that has awaited. */
  enter(): void {
    const outer = currentScope();
    for (let scope = outer; scope !== undefined; scope = scope.outer) if (scope.transaction === this) return;
    storage.enterWith({ transaction: this, outer });
  }

  /** Has something done when the transaction is over, however it ended. */
  atEnd(callback: () => MaybePromise<void>): void {
    (this.#atEnd ??= []).push(callback);
  }

  /** It is committed or rolled back. @returns a promise where something is to be done; it never rejects */
  close(): Promise<void> | undefined {
    if (!this.#isOpen) return undefined;
    this.#isOpen = false;
    // Up to Node 22 a storage in use makes every promise of the process dearer.
    if (--open === 0) storage.disable();
    const pending = this.#atEnd?.map((callback) => callback()).filter((one) => one instanceof Promise) ?? [];
    return pending.length === 0 ? undefined : Promise.allSettled(pending).then(() => undefined);
  }
}

/** The innermost open transaction that the caller is known to be inside of. */
export function currentTransaction(): OpenTransaction | undefined {
  return currentScope()?.transaction;
}

function currentScope(): Scope | undefined {
  if (open === 0) return undefined;
  let scope = storage.getStore();
  while (scope !== undefined && !scope.transaction.isOpen) scope = scope.outer;
  return scope;
}
