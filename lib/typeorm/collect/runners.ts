import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { TransactionChanges } from './transaction-changes.js';

/** The changes of each query runner. Not kept in `runner.data`, which `save(…, { data })` replaces for its duration. */
export class Runners {
  readonly #dataSource: OrmDataSource;
  readonly #transactions = new RunnerSlots<OrmQueryRunner, TransactionChanges>();
  readonly #rawByConnection = new WeakMap<object, TransactionChanges>();
  #rawSeen = false;

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
  }

  of(runner: OrmQueryRunner): TransactionChanges {
    let transaction = this.#transactions.get(runner);
    if (this.#rawSeen && transaction?.isRaw !== true) {
      const raw = this.#rawByConnection.get(connectionOf(runner));
      if (raw !== undefined) {
        // The first hooks of the runner may have come before it had its connection.
        for (const [table, announced] of transaction?.announced ?? []) raw.announced.set(table, announced);
        transaction?.announced.clear();
        return raw;
      }
    }
    if (transaction === undefined) {
      this.#transactions.set(runner, (transaction = new TransactionChanges()));
      transaction.hasBegun = runner.isTransactionActive;
    }
    return transaction;
  }

  /** TypeORM begins a transaction: the runner says that it is active, but BEGIN has not run. */
  starting(runner: OrmQueryRunner): void {
    if (this.#transactions.get(runner) === undefined)
      this.#transactions.set(runner, new TransactionChanges());
  }

  /**
   * BEGIN has run. Where no startTransaction() announced it, only SQL text will end it.
   * @param hasNoAutocommit whether another transaction begins whenever one has ended
   */
  begun(runner: OrmQueryRunner, hasNoAutocommit = false): void {
    const transaction = this.of(runner);
    transaction.hasBegun = true;
    transaction.hasNoAutocommit ||= hasNoAutocommit;
    transaction.isRaw ||= !runner.isTransactionActive;
    if (!transaction.isRaw && !transaction.hasNoAutocommit) return;
    this.#rawSeen = true;
    this.#rawByConnection.set(connectionOf(runner), transaction);
  }

  rawEnded(runner: OrmQueryRunner, transaction: TransactionChanges): void {
    if (!transaction.isRaw) this.#rawByConnection.delete(connectionOf(runner));
  }

  isOpen(runner: OrmQueryRunner): boolean {
    return runner.isTransactionActive || (this.#rawSeen && this.of(runner).isRaw);
  }

  /** True if SQL that runs now is durable at once. */
  isAutocommit(runner: OrmQueryRunner): boolean {
    const transaction = this.of(runner);
    return !transaction.isRaw && !(this.isShared(runner) ? transaction.hasBegun : runner.isTransactionActive);
  }

  /** Drivers of SQLite give one runner to all callers, and keep it as `driver.queryRunner`. */
  isShared(runner: OrmQueryRunner): boolean {
    return (this.#dataSource.driver as { queryRunner?: unknown }).queryRunner === runner;
  }
}

/**
 * A raw transaction belongs to the connection: `dataSource.query('BEGIN')` and the next query use two runners. TypeORM's runners keep
 * their connection as `databaseConnection`; without it, each runner counts as a connection of its own.
 */
function connectionOf(runner: OrmQueryRunner): object {
  return (runner as { databaseConnection?: object }).databaseConnection ?? runner;
}

const SLOT = Symbol('restflow');

interface WithSlot<V> {
  [SLOT]?: { readonly owner: object; value: V };
}

/**
 * A WeakMap for objects that live for one statement. Adding a key to a WeakMap at every statement costs more than everything else
 * here (`npm run bench -- typeorm`), so the first owner of a value keeps it on the object itself; others use a map.
 */
export class RunnerSlots<K extends object, V> {
  readonly #others = new WeakMap<K, V>();

  get(holder: K): V | undefined {
    const slot = (holder as WithSlot<V>)[SLOT];
    return slot?.owner === this ? slot.value : this.#others.get(holder);
  }

  set(holder: K, value: V): void {
    const slot = (holder as WithSlot<V>)[SLOT];
    if (slot === undefined) (holder as WithSlot<V>)[SLOT] = { owner: this, value };
    else if (slot.owner === this) slot.value = value;
    else this.#others.set(holder, value);
  }
}
