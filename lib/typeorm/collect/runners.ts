import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { TransactionChanges } from './transaction-changes.js';

/** The name of the property that a holder's first value is kept under. */
const VALUE = Symbol('restflow');

interface Holder<V> {
  [VALUE]?: { readonly owner: object; value: V };
}

/**
 * What somebody keeps about objects that live for one statement. A WeakMap that gains a key with every statement costs more
 * than all else that a save needs here, so the first who keeps something about an object hangs it on that; others use a map.
 */
export class RunnerSlots<K extends object, V> {
  readonly #others = new WeakMap<K, V>();

  get(holder: K): V | undefined {
    const held = (holder as Holder<V>)[VALUE];
    return held?.owner === this ? held.value : this.#others.get(holder);
  }

  has(holder: K): boolean {
    return this.get(holder) !== undefined;
  }

  set(holder: K, value: V): void {
    const held = (holder as Holder<V>)[VALUE];
    if (held === undefined) (holder as Holder<V>)[VALUE] = { owner: this, value };
    else if (held.owner === this) held.value = value;
    else this.#others.set(holder, value);
  }
}

/** What is transaction on which query runner. Not kept in `runner.data`, which `save(…, { data })` swaps. */
export class Runners {
  readonly #dataSource: OrmDataSource;
  readonly #transaction = new RunnerSlots<OrmQueryRunner, TransactionChanges>();
  readonly #rawByConnection = new WeakMap<object, TransactionChanges>();
  #rawSeen = false;

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
  }

  of(runner: OrmQueryRunner): TransactionChanges {
    let transaction = this.#transaction.get(runner);
    if (this.#rawSeen && transaction?.isRaw !== true) {
      const raw = this.#rawByConnection.get(connectionOf(runner));
      if (raw !== undefined) {
        // The runner's first hooks may have come before it knew its connection.
        for (const [table, announced] of transaction?.announced ?? []) raw.announced.set(table, announced);
        transaction?.announced.clear();
        return raw;
      }
    }
    if (transaction === undefined) {
      this.#transaction.set(runner, (transaction = new TransactionChanges()));
      transaction.hasBegun = runner.isTransactionActive;
    }
    return transaction;
  }

  /** The runner already calls itself active, though BEGIN has not run. */
  starting(runner: OrmQueryRunner): void {
    if (!this.#transaction.has(runner)) this.#transaction.set(runner, new TransactionChanges());
  }

  /**
   * BEGIN has run. When no startTransaction() announced it, only SQL text will end it.
   * @param manual whether another one begins whenever one has ended
   */
  begun(runner: OrmQueryRunner, manual = false): void {
    const transaction = this.of(runner);
    transaction.hasBegun = true;
    transaction.hasNoAutocommit ||= manual;
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

  /** Whether SQL that runs now is durable at once. */
  isAutocommit(runner: OrmQueryRunner): boolean {
    const transaction = this.of(runner);
    return !transaction.isRaw && !(this.isShared(runner) ? transaction.hasBegun : runner.isTransactionActive);
  }

  /** SQLite drivers hand one runner to everybody, and keep it on the driver. */
  isShared(runner: OrmQueryRunner): boolean {
    return (this.#dataSource.driver as { queryRunner?: unknown }).queryRunner === runner;
  }
}

/** A raw transaction lives on the connection: `dataSource.query('BEGIN')` and the next query use two runners. */
function connectionOf(runner: OrmQueryRunner): object {
  return (runner as { databaseConnection?: object }).databaseConnection ?? runner;
}
