import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { Pending } from './transaction-changes.js';

/** The name of the property that a holder's first value is kept under. */
const VALUE = Symbol('restflow');

interface Holder<V> {
  [VALUE]?: { readonly owner: object; value: V };
}

/**
 * What somebody keeps about objects that live for one statement. A WeakMap that gains a key with every statement costs more
 * than all else that a save needs here, so the first who keeps something about an object hangs it on that; others use a map.
 */
export class OwnValues<K extends object, V> {
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

/** What is pending on which query runner. Not kept in `runner.data`, which `save(…, { data })` swaps. */
export class Runners {
  readonly #dataSource: OrmDataSource;
  readonly #pending = new OwnValues<OrmQueryRunner, Pending>();
  readonly #rawByConnection = new WeakMap<object, Pending>();
  #rawSeen = false;

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
  }

  of(runner: OrmQueryRunner): Pending {
    let pending = this.#pending.get(runner);
    if (this.#rawSeen && pending?.raw !== true) {
      const raw = this.#rawByConnection.get(connectionOf(runner));
      if (raw !== undefined) {
        // The runner's first hooks may have come before it knew its connection.
        for (const [table, bracket] of pending?.brackets ?? []) raw.brackets.set(table, bracket);
        pending?.brackets.clear();
        return raw;
      }
    }
    if (pending === undefined) {
      this.#pending.set(runner, (pending = new Pending()));
      pending.begun = runner.isTransactionActive;
    }
    return pending;
  }

  /** The runner already calls itself active, though BEGIN has not run. */
  starting(runner: OrmQueryRunner): void {
    if (!this.#pending.has(runner)) this.#pending.set(runner, new Pending());
  }

  /**
   * BEGIN has run. When no startTransaction() announced it, only SQL text will end it.
   * @param manual whether another one begins whenever one has ended
   */
  begun(runner: OrmQueryRunner, manual = false): void {
    const pending = this.of(runner);
    pending.begun = true;
    pending.manual ||= manual;
    pending.raw ||= !runner.isTransactionActive;
    if (!pending.raw && !pending.manual) return;
    this.#rawSeen = true;
    this.#rawByConnection.set(connectionOf(runner), pending);
  }

  rawEnded(runner: OrmQueryRunner, pending: Pending): void {
    if (!pending.raw) this.#rawByConnection.delete(connectionOf(runner));
  }

  isOpen(runner: OrmQueryRunner): boolean {
    return runner.isTransactionActive || (this.#rawSeen && this.of(runner).raw);
  }

  /** Whether SQL that runs now is durable at once. */
  isAutocommit(runner: OrmQueryRunner): boolean {
    const pending = this.of(runner);
    return !pending.raw && !(this.isShared(runner) ? pending.begun : runner.isTransactionActive);
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
