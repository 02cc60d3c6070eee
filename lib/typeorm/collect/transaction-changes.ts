import { OpenTransaction } from '../../cache/open-transaction.js';
import type { Change } from '../../invalidation/change.interface.js';
import { type AnnouncedStatements, UNCONFIRMED_MS } from '../rows/announced-statements.js';

/** Beyond so many changes of one table in one transaction, its rows are no longer told apart. */
export const MAX_CHANGES_PER_TABLE = 1_000;

/** The changes of one transaction, or of one savepoint inside it. */
export class SavepointLevel {
  readonly startedAt = Date.now();
  readonly #tables = new Map<string, Change[]>();
  #seen: Set<string> | undefined;

  add(change: Change): void {
    const key = identityOf(change);
    if (key !== undefined) {
      this.#seen ??= new Set();
      if (this.#seen.has(key)) return;
      this.#seen.add(key);
    }
    const changes = this.#tables.get(change.table);
    if (changes === undefined) this.#tables.set(change.table, [change]);
    else if (changes.length < MAX_CHANGES_PER_TABLE) changes.push(change);
    else if (changes.length === MAX_CHANGES_PER_TABLE) {
      // One more entry than the limit marks the collapsed table: it takes nothing further.
      changes.fill(collapsed(change));
      changes.push(changes[0]!);
    }
  }

  merge(inner: SavepointLevel): void {
    for (const change of inner.changes()) this.add(change);
    for (const [table, changes] of inner.#tables) {
      if (changes.length > MAX_CHANGES_PER_TABLE) this.#tables.set(table, changes);
    }
  }

  changes(): Change[] {
    const all: Change[] = [];
    for (const changes of this.#tables.values())
      all.push(...(changes.length > MAX_CHANGES_PER_TABLE ? changes.slice(0, 1) : changes));
    return all;
  }
}

/** Changes that say the same thing twice: unknown rows of a table, or one side of many new links. */
function identityOf(change: Change): string | undefined {
  const { table, entityName, type, id, before, after, updatedColumns } = change;
  const isUnknown = before === undefined && !after;
  const isSide =
    !isUnknown && before !== null && before === after && (typeof id === 'number' || typeof id === 'string');
  if (!isUnknown && !isSide) return undefined;
  const columns = updatedColumns?.join() ?? '*';
  return JSON.stringify(
    isUnknown ? [table, entityName, type, columns, after === null] : [table, entityName, 'side', columns, id],
  );
}

function collapsed({ table, entityName, entity }: Change): Change {
  return {
    table,
    entityName,
    entity,
    type: 'unknown',
    id: undefined,
    before: undefined,
    after: undefined,
    updatedColumns: undefined,
  };
}

/** What one query runner has written and nobody has been told of yet. */
export class TransactionChanges {
  levels: SavepointLevel[] = [];
  readonly announced = new Map<string, AnnouncedStatements>();
  /** A COMMIT is on its way: whatever fails now may have been committed. */
  isCommitting = false;
  /** TypeORM's own ROLLBACK of the whole is on its way. */
  isRollingBack = false;
  /** A transaction begun by SQL text: no Transaction* hook will end it. */
  isRaw = false;
  /** A transaction begins wherever none is open: the connection has no autocommit. */
  hasNoAutocommit = false;
  /** A statement has ended it, and nobody says so: what is written since may be durable, and is told at once as well. */
  mayBeEnded = false;
  /** BEGIN has been executed. On a shared runner `isTransactionActive` is true before it has. */
  hasBegun = false;
  /** How many statements ran on it. */
  statements = 0;
  /** When its last transaction ended. */
  endedAt = 0;
  #transaction: OpenTransaction | undefined;
  /** What hooks of queries answered that nobody waits for, by the text of the query. */
  #hookResults: Map<string, Promise<void>> | undefined;

  /** Puts the caller's context inside the transaction, whose BEGIN is about to run. */
  enter(): void {
    (this.#transaction ??= new OpenTransaction()).enter();
  }

  /** Contexts that were inside the transaction are no longer. */
  leave(): Promise<void> | undefined {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    return transaction?.close();
  }

  /** Keeps what the hook of a query answered. */
  keepHookResult(sql: string, answer: Promise<void>): void {
    const kept = (this.#hookResults ??= new Map()).get(sql);
    this.#hookResults.set(
      sql,
      kept === undefined ? answer : Promise.all([kept, answer]).then(() => undefined),
    );
  }

  /** Waits for what is kept of a query. Of others it must not: this one may be part of what their hooks do. */
  async hookResult(sql: string): Promise<void> {
    const kept = this.#hookResults?.get(sql);
    if (kept === undefined) return;
    await kept;
    if (this.#hookResults?.get(sql) === kept) this.#hookResults.delete(sql);
  }

  hold(changes: readonly Change[]): void {
    if (this.levels.length === 0) this.levels.push(new SavepointLevel());
    const top = this.levels.at(-1)!;
    for (const change of changes) top.add(change);
  }

  /** The innermost savepoint's changes become its parent's. */
  releaseSavepoint(): void {
    if (this.levels.length < 2) return;
    const inner = this.levels.pop()!;
    this.levels.at(-1)!.merge(inner);
  }

  /** Everything held, and nothing held any more. */
  take(): Change[] {
    const changes = this.peek();
    if (this.levels.length > 0) this.endedAt = Date.now();
    this.levels = [];
    this.isCommitting = false;
    this.isRollingBack = false;
    this.mayBeEnded = false;
    this.isRaw = this.hasNoAutocommit;
    return changes;
  }

  peek(): Change[] {
    if (this.levels.length < 2) return this.levels[0]?.changes() ?? [];
    const all = new SavepointLevel();
    for (const frame of this.levels) all.merge(frame);
    return all.changes();
  }
}

/**
 * The last resort for durable SQL whose after* hook never comes and whose runner is never used again: looked at about a
 * second later. One timer for all, which keeps no process alive.
 */
export class UnconfirmedTimer {
  readonly #settle: (transaction: TransactionChanges) => void;
  readonly #waiting = new Set<TransactionChanges>();
  #timer: NodeJS.Timeout | undefined;

  constructor(settle: (transaction: TransactionChanges) => void) {
    this.#settle = settle;
  }

  add(transaction: TransactionChanges): void {
    this.#waiting.add(transaction);
    this.#timer ??= setTimeout(() => this.#look(), UNCONFIRMED_MS + 1).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #look(): void {
    this.#timer = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const transaction of waiting) {
      this.#settle(transaction);
      if ([...transaction.announced.values()].some(({ isDurable: durable }) => durable))
        this.add(transaction);
    }
  }
}
