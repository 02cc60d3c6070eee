import { within } from '../common/async.js';
import { CacheUsageError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import type { Clock } from '../common/time.js';
import type { OnceLog } from '../observability/once-log.js';
import type { InvalidationMode } from '../stores/store.interface.js';
import { privateStorage } from './engine/async-storages.js';
import type { MaybePromise } from '../stores/store.interface.js';

/** A transaction and the open ones around it. Code that runs after the transaction may still be in its async context. */
interface Scope {
  readonly transaction: OpenTransaction;
  readonly outer: Scope | undefined;
}

const storage = privateStorage<Scope>();
/** Those of this process. */
const open = new Set<OpenTransaction>();
/** By query runner: the transaction that it began last. */
const byRunner = new WeakMap<object, OpenTransaction>();

/**
 * An open database transaction. Cached calls in its context bypass the cache: cached values lack the changes of the transaction, and
 * values it reads may be rolled back.
 */
export class OpenTransaction {
  #isOpen = true;
  #atEnd: (() => MaybePromise<void>)[] | undefined;

  /** @param runner that begins it */
  constructor(runner?: object) {
    open.add(this);
    if (runner !== undefined) byRunner.set(runner, this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Puts the async context of the caller inside the transaction, and that of its callers up to the first `await`. */
  enter(): void {
    const outer = currentScope();
    for (let scope = outer; scope !== undefined; scope = scope.outer) if (scope.transaction === this) return;
    storage.enterWith({ transaction: this, outer });
  }

  /** Runs a callback when the transaction has ended, by COMMIT or ROLLBACK. */
  atEnd(callback: () => MaybePromise<void>): void {
    (this.#atEnd ??= []).push(callback);
  }

  /** Called after COMMIT or ROLLBACK. @returns a promise if a callback is to be waited for; it never rejects */
  close(): Promise<void> | undefined {
    if (!this.#isOpen) return undefined;
    this.#isOpen = false;
    // Up to Node 22 a storage in use makes every promise of the process slower. Can go when Node 22 is dropped.
    open.delete(this);
    if (open.size === 0) storage.disable();
    const pending = this.#atEnd?.map((callback) => callback()).filter((one) => one instanceof Promise) ?? [];
    return pending.length === 0 ? undefined : Promise.allSettled(pending).then(() => undefined);
  }
}

/** The innermost open transaction in the async context of the caller. */
export function currentTransaction(): OpenTransaction | undefined {
  return currentScope()?.transaction;
}

function currentScope(): Scope | undefined {
  if (open.size === 0) return undefined;
  let scope = storage.getStore();
  while (scope !== undefined && !scope.transaction.isOpen) scope = scope.outer;
  return scope;
}

/**
 * A query runner of TypeORM, or an EntityManager that has one.
 *
 * @publicApi
 */
export type TransactionHolder =
  | { readonly isTransactionActive: boolean }
  | { readonly queryRunner?: { readonly isTransactionActive: boolean } | undefined };

/** Puts the caller's async context inside the transaction of a query runner. See `CacheService.within`. */
export function enterTransaction(holder: TransactionHolder): void {
  const runner = runnerOf(holder);
  const transaction = runner === undefined ? undefined : transactionOf(runner);
  if (transaction !== undefined) return transaction.enter();
  if (runner?.isTransactionActive === false) return;
  throw new CacheUsageError(
    'CACHE_WITHIN',
    runner === undefined
      ? `within() was given ${describe(holder)}. Write the query runner that began the transaction: cache.within(runner).`
      : 'within() was given a query runner whose transaction was not seen to begin. Its DataSource must be watched: ' +
          'forRoot({ dataSources: [dataSource] }).',
  );
}

function runnerOf(holder: unknown): { readonly isTransactionActive: boolean } | undefined {
  for (const one of [holder, (holder as { queryRunner?: unknown } | null | undefined)?.queryRunner])
    if (
      typeof (one as { isTransactionActive?: unknown } | null | undefined)?.isTransactionActive === 'boolean'
    )
      return one as { readonly isTransactionActive: boolean };
  return undefined;
}

/** The open transaction of a query runner; `undefined` if it has none, or none that is known here. */
export function transactionOf(runner: object): OpenTransaction | undefined {
  const transaction = byRunner.get(runner);
  return transaction?.isOpen === true ? transaction : undefined;
}

/** A transaction that invalidates more tags drops the whole cache at its end. */
const MAX_TAGS = 10_000;
/** The same for a transaction that may have nothing to do with the tags. */
const MAX_UNPLACED_TAGS = 1_000;

/** Time that a write waits for tags that are invalidated again; then that goes on in the background. Milliseconds. */
const MAX_WAIT = 100;

type TagsByMode = Record<InvalidationMode, Set<string>>;

/**
 * Repeats invalidations by hand inside a transaction at its end: until its COMMIT, loads outside of it read the old rows, and store
 * them after the first invalidation.
 */
export class TransactionBumps {
  readonly #held = new WeakMap<OpenTransaction, TagsByMode>();

  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    /** Drops the whole cache. */
    private readonly allTag: string,
    private readonly invalidate: (tags: readonly string[], mode: InvalidationMode) => Promise<unknown>,
  ) {}

  /**
   * Outside of the context of a transaction, each open one may be the caller's: a helper may have begun it. So the tags are repeated
   * when each of them ends.
   */
  add(tags: readonly string[], mode: InvalidationMode): void {
    if (open.size === 0) return;
    const transaction = currentTransaction();
    if (transaction !== undefined) return this.#hold(transaction, tags, mode, MAX_TAGS);
    for (const each of open) this.#hold(each, tags, mode, MAX_UNPLACED_TAGS);
  }

  #hold(transaction: OpenTransaction, tags: readonly string[], mode: InvalidationMode, most: number): void {
    let held = this.#held.get(transaction);
    if (held === undefined) {
      const first: TagsByMode = { purge: new Set(), expire: new Set() };
      this.#held.set(transaction, (held = first));
      transaction.atEnd(() => this.#bump(first));
    }
    for (const tag of tags) held[mode].add(tag);
    if (held[mode].size > most) held[mode] = new Set([this.allTag]);
  }

  async #bump(held: TagsByMode): Promise<void> {
    const bumps = (['purge', 'expire'] as const).map((mode) => this.#bumpOf([...held[mode]], mode));
    await within(this.clock, MAX_WAIT, Promise.all(bumps));
  }

  async #bumpOf(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    if (tags.length === 0) return;
    try {
      await this.invalidate(tags, mode);
    } catch (error) {
      this.log.error('at end', 'Invalidating again at the end of a transaction failed', error);
    }
  }
}
