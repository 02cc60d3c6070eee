import type { Change } from '../../invalidation/change.interface.js';
import { TransactionChanges } from './transaction-changes.js';
import { EntityRowView } from '../entities/row-view.js';

const MAX_ROWS = 5_000;
const MAX_BULK = 50;
/** How long before its BEGIN, or before its hook where it has none, a write may have read what it tells. */
const RACE_MS = 1_000;
/** Writes of whichever transactions. */
const ANYBODY = new TransactionChanges();

interface Written {
  readonly transaction: TransactionChanges;
  readonly at: number;
  readonly turn: number;
}

let turns = 0;

/** Which of two reads and writes in this process came first. */
export function nextTurn(): number {
  return ++turns;
}

const NO_NAMES: ReadonlySet<string> = new Set();

interface WrittenRow extends Written {
  /** `undefined`: written to a state that nobody knows, or gone. */
  readonly view: EntityRowView | undefined;
}

interface WrittenTable extends Written {
  /** `undefined`: any of them. */
  readonly columns: readonly string[] | undefined;
}

/**
 * save() and remove() read the old row before BEGIN and without a lock, so two of them side by side may both have read the
 * state before either: article 5 goes from category 1 to 2, and the second save reports it as moving from 1 to 3. What
 * this process itself wrote a moment ago says better. Where the two disagree, what the save read is unknown.
 */
export class StaleReads {
  readonly #rows = new Map<string, WrittenRow>();
  readonly #tables = new Map<string, WrittenTable[]>();
  /** When the last of those rows was written that are no longer kept. */
  #forgottenAt = 0;

  /** The change as it may be told; and it is remembered for those that follow. */
  check(change: Change, transaction: TransactionChanges): Change {
    const { table, id, before, after } = change;
    const isUnknown = before === undefined && !(after instanceof EntityRowView);
    // Nobody else can have read a row before it was inserted, nor hold old values of one side of a link.
    const cannotBeStale = id === undefined || before === null || before === after;
    if (cannotBeStale && !isUnknown) return change;
    const written = { transaction, at: Date.now(), turn: nextTurn() };
    if (isUnknown) this.#remember(table, { ...written, columns: change.updatedColumns });
    if (cannotBeStale) return change;

    const key = `${table}\0${typeof id === 'object' ? JSON.stringify(id) : String(id)}`;
    const checked = before instanceof EntityRowView ? this.#judge(key, before, change, transaction) : change;
    this.#rows.delete(key);
    this.#rows.set(key, {
      ...written,
      view: checked.after instanceof EntityRowView ? checked.after : undefined,
    });
    if (this.#rows.size > MAX_ROWS) this.#forgetOldest();
    return checked;
  }

  #forgetOldest(): void {
    const [key, row] = this.#rows.entries().next().value!;
    this.#rows.delete(key);
    // An open transaction is yet to be committed: until then, and for a while, any row may be one of its.
    if (isOpen(row)) this.#remember(key.slice(0, key.indexOf('\0')), { ...row, columns: undefined });
    else this.#forgottenAt = Math.max(this.#forgottenAt, endOf(row));
  }

  #judge(key: string, before: EntityRowView, change: Change, transaction: TransactionChanges): Change {
    const bulk = (this.#tables.get(change.table) ?? []).filter((each) => isRecent(each, transaction));
    const others = bulk.filter((each) => each.transaction !== transaction);
    if (
      this.#contradicts(key, before, bulk, transaction) ||
      others.some(({ columns }) => columns === undefined)
    ) {
      return { ...change, before: undefined, after: change.after === null ? null : undefined };
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

  /** Whether the row was written by others, or after what was looked up of it. */
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
    // What a bulk write has changed since is no contradiction.
    if (bulk.some(({ columns }) => columns === undefined)) return false;
    return row.view.without(columnsOf(bulk)).contradicts(before);
  }

  #remember(table: string, written: WrittenTable): void {
    const kept = this.#tables.get(table) ?? [];
    // Another statement of a transaction says nothing new.
    const known = kept.findIndex(
      ({ transaction, columns }) =>
        transaction === written.transaction && sameNames(columns, written.columns),
    );
    if (known >= 0) kept.splice(known, 1);
    // Too many to tell apart: any column may have been written, by anybody.
    else if (kept.length >= MAX_BULK) this.#collapse(table, kept);
    this.#tables.set(table, [...(this.#tables.get(table) ?? []), written]);
  }

  #collapse(table: string, kept: readonly WrittenTable[]): void {
    const open = kept.filter(isOpen).slice(-MAX_BULK / 2);
    const at = Math.max(...kept.map((each) => (isOpen(each) ? each.at : endOf(each))));
    const { turn } = kept.at(-1)!;
    this.#tables.set(table, [{ transaction: ANYBODY, at, turn, columns: undefined }, ...open]);
  }
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

/** When what it wrote could be read by all. */
function endOf({ transaction, at }: Written): number {
  return Math.max(at, transaction.endedAt);
}

/** save() reads a row before it begins a transaction, and may take its time until it writes. */
function readAt({ levels }: TransactionChanges): number {
  return (levels[0]?.startedAt ?? Date.now()) - RACE_MS;
}

/** Whether a write may have come between another's reading and its writing. */
function isRecent(written: Written, by: TransactionChanges): boolean {
  return isOpen(written) || endOf(written) > readAt(by);
}
