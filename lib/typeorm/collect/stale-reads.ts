import type { Change } from '../../invalidation/change.interface.js';
import { TransactionChanges } from './transaction-changes.js';
import { EntityRowView } from '../entities/row-view.js';

const MAX_ROWS = 5_000;
const MAX_BULK = 50;
/** How long before its BEGIN, or before its hook without a transaction, a write may have read the old row. Milliseconds. */
const RACE_MS = 1_000;
/** Stands for the transactions of collapsed writes. */
const ANY_TRANSACTION = new TransactionChanges();

interface Written {
  readonly transaction: TransactionChanges;
  readonly at: number;
  readonly turn: number;
}

let turns = 0;

/** A number that orders reads and writes of this process. */
export function nextTurn(): number {
  return ++turns;
}

const NO_NAMES: ReadonlySet<string> = new Set();

interface WrittenRow extends Written {
  /** The state that was written; `undefined`: unknown or deleted. */
  readonly view: EntityRowView | undefined;
}

interface WrittenTable extends Written {
  /** The columns that were written; `undefined`: any. */
  readonly columns: readonly string[] | undefined;
}

/**
 * Finds old rows that were read too early. save() and remove() read the old row before BEGIN and without a lock, so two of them side
 * by side may both have read the state before either: article 5 goes from category 1 to 2, and the second save reports a move
 * from 1 to 3. This remembers what the process wrote a moment ago; where a save read something else, its old row is unknown.
 */
export class StaleReads {
  readonly #rows = new Map<string, WrittenRow>();
  readonly #tables = new Map<string, WrittenTable[]>();
  /** Time of the last write that is no longer remembered. */
  #forgottenAt = 0;

  /**
   * Returns the change without old values that may be wrong, and remembers it for the changes that follow.
   * @param isMet whether its old values were read under the lock of its statement
   */
  check(change: Change, transaction: TransactionChanges, isMet = false): Change {
    const { table, id, before, after } = change;
    const isUnknown = before === undefined && !(after instanceof EntityRowView);
    // An inserted row cannot have been read before, and one side of a link has no old values.
    const cannotBeStale = id === undefined || before === null || before === after;
    if (cannotBeStale && !isUnknown) return change;
    const written = { transaction, at: Date.now(), turn: nextTurn() };
    if (isUnknown) this.#remember(table, { ...written, columns: change.updatedColumns });
    if (cannotBeStale) return change;

    const key = `${table}\0${typeof id === 'object' ? JSON.stringify(id) : String(id)}`;
    const isJudged = before instanceof EntityRowView && !isMet;
    const judged = isJudged ? this.#judge(key, before, change, transaction) : change;
    const checked = judged ?? onlyWritten(change);
    this.#rows.delete(key);
    this.#rows.set(key, {
      ...written,
      view: judged?.after instanceof EntityRowView ? judged.after : undefined,
    });
    if (this.#rows.size > MAX_ROWS) this.#forgetOldest();
    return checked;
  }

  #forgetOldest(): void {
    const [key, row] = this.#rows.entries().next().value!;
    this.#rows.delete(key);
    // Until an open transaction has ended, and for a while after, any row of the table may be this one.
    if (isOpen(row)) this.#remember(key.slice(0, key.indexOf('\0')), { ...row, columns: undefined });
    else this.#forgottenAt = Math.max(this.#forgottenAt, endOf(row));
  }

  /** @returns `undefined` where the old row was read too early */
  #judge(
    key: string,
    before: EntityRowView,
    change: Change,
    transaction: TransactionChanges,
  ): Change | undefined {
    const bulk = (this.#tables.get(change.table) ?? []).filter((each) => isRecent(each, transaction));
    const others = bulk.filter((each) => each.transaction !== transaction);
    if (
      this.#contradicts(key, before, bulk, transaction) ||
      others.some(({ columns }) => columns === undefined)
    ) {
      return undefined;
    }
    if (others.length === 0) {
      const isOutdated = this.#isOutdated(key, before, bulk, transaction);
      return isOutdated ? { ...change, before: before.without(NO_NAMES) } : change;
    }
    const columns = columnsOf(others);
    const kept = new Set(change.updatedColumns);
    const lost = new Set([...columns].filter((name) => !kept.has(name)));
    const after = change.after instanceof EntityRowView ? change.after.without(lost) : change.after;
    return { ...change, before: before.without(columns), after };
  }

  /** True if values that were looked up are older than a write of this transaction, or of any other. */
  #isOutdated(
    key: string,
    before: EntityRowView,
    bulk: readonly WrittenTable[],
    transaction: TransactionChanges,
  ): boolean {
    const row = this.#rows.get(key);
    const writes = [...bulk, ...(row !== undefined && isRecent(row, transaction) ? [row] : [])];
    return writes.some((each) =>
      before.hasLearnedBefore(each.transaction === transaction ? each.turn : Infinity),
    );
  }

  #contradicts(
    key: string,
    before: EntityRowView,
    bulk: readonly WrittenTable[],
    transaction: TransactionChanges,
  ): boolean {
    const row = this.#rows.get(key);
    if (row === undefined) return this.#forgottenAt > readAt(transaction);
    if (!isRecent(row, transaction)) return false;
    if (row.view === undefined) return row.transaction !== transaction;
    // Columns that a bulk statement has written since are not compared.
    if (bulk.some(({ columns }) => columns === undefined)) return false;
    return row.view.without(columnsOf(bulk)).contradicts(before);
  }

  #remember(table: string, written: WrittenTable): void {
    const kept = this.#tables.get(table) ?? [];
    // A second statement of a transaction on the same columns replaces the first.
    const known = kept.findIndex(
      ({ transaction, columns }) =>
        transaction === written.transaction && sameNames(columns, written.columns),
    );
    if (known >= 0) kept.splice(known, 1);
    // Too many to tell apart: any transaction may have written any column.
    else if (kept.length >= MAX_BULK) this.#collapse(table, kept);
    this.#tables.set(table, [...(this.#tables.get(table) ?? []), written]);
  }

  #collapse(table: string, kept: readonly WrittenTable[]): void {
    const open = kept.filter(isOpen).slice(-MAX_BULK / 2);
    const at = Math.max(...kept.map((each) => (isOpen(each) ? each.at : endOf(each))));
    const { turn } = kept.at(-1)!;
    this.#tables.set(table, [{ transaction: ANY_TRANSACTION, at, turn, columns: undefined }, ...open]);
  }
}

/** The change without all that was read: a statement names the row by its primary key, and says what it wrote. */
function onlyWritten(change: Change): Change {
  const [before, after] = [change.before, change.after].map((view, i) =>
    view instanceof EntityRowView ? view.withOnly(i === 0 ? NO_NAMES : new Set(change.updatedColumns)) : view,
  );
  return { ...change, before, after };
}

function columnsOf(bulk: readonly WrittenTable[]): Set<string> {
  return new Set(bulk.flatMap(({ columns }) => columns ?? []));
}

function sameNames(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  return one?.join() === other?.join();
}

function isOpen({ transaction }: Written): boolean {
  return transaction.levels.length > 0;
}

/** Time from which others could read the write. */
function endOf({ transaction, at }: Written): number {
  return Math.max(at, transaction.endedAt);
}

/** The earliest time at which a transaction may have read its old rows: save() reads them before BEGIN. */
function readAt({ levels }: TransactionChanges): number {
  return (levels[0]?.startedAt ?? Date.now()) - RACE_MS;
}

/** True if a write may lie between the read and the write of a transaction. */
function isRecent(written: Written, by: TransactionChanges): boolean {
  return isOpen(written) || endOf(written) > readAt(by);
}
