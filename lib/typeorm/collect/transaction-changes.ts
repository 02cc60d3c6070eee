import { OpenTransaction } from '../../cache/open-transaction.js';
import type { Change } from '../../invalidation/change.interface.js';
import type { EntityTableChange } from '../typeorm.interface.js';
import { type AnnouncedStatements, UNCONFIRMED_MS } from '../rows/announced-statements.js';

/** Beyond this many changes of one table in one transaction, they become one change of unknown rows. */
export const MAX_CHANGES_PER_TABLE = 1_000;

/** The changes that one query runner has written and the sink has not received yet. */
export class TransactionChanges {
  /** The transaction and the savepoints open in it. */
  levels: SavepointLevel[] = [];
  /** By table: the statements whose `after` hook has not come yet. */
  readonly announced = new Map<string, AnnouncedStatements>();
  /** COMMIT was sent: after an error the transaction may still be committed. */
  isCommitting = false;
  /** TypeORM itself is rolling the whole transaction back. */
  isRollingBack = false;
  /** SQL text began it, so no transaction hook will report its end. */
  isRaw = false;
  /** The savepoints that SQL text set, where the outermost of them began the transaction. */
  savepoints: readonly string[] | undefined;
  /** The connection has no autocommit: a transaction begins whenever none is open. */
  hasNoAutocommit = false;
  /** A statement has committed it and may have ended it: later writes may be durable, so they are sent at once as well. */
  mayBeEnded = false;
  /** BEGIN has been executed. A shared runner is `isTransactionActive` before that. */
  hasBegun = false;
  /** Statements that ran on the runner. */
  statements = 0;
  /** When its last transaction ended. */
  endedAt = 0;
  #context: OpenTransaction | undefined;
  /** Results of `afterQuery` that the driver does not await, by the text of the query. */
  #hookResults: Map<string, Promise<void>> | undefined;

  /** Marks the caller's async context as inside the transaction, just before BEGIN runs. */
  enterContext(runner: object): void {
    (this.#context ??= new OpenTransaction(runner)).enter();
  }

  /** Contexts that were inside the transaction are outside again. */
  leaveContext(): Promise<void> | undefined {
    const context = this.#context;
    this.#context = undefined;
    return context?.close();
  }

  keepHookResult(sql: string, result: Promise<void>): void {
    const kept = (this.#hookResults ??= new Map()).get(sql);
    this.#hookResults.set(
      sql,
      kept === undefined ? result : Promise.all([kept, result]).then(() => undefined),
    );
  }

  /** Waits for the hook of this query only: hooks of others may be waiting for this query. */
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

  /** Moves the changes of the innermost savepoint to the level around it. */
  releaseSavepoint(): void {
    if (this.levels.length < 2) return;
    const inner = this.levels.pop()!;
    this.levels.at(-1)!.merge(inner);
  }

  /** Returns everything held, and starts over. */
  take(): Change[] {
    const changes = this.peek();
    if (this.levels.length > 0) this.endedAt = Date.now();
    this.levels = [];
    this.isCommitting = false;
    this.isRollingBack = false;
    this.mayBeEnded = false;
    this.isRaw = this.hasNoAutocommit;
    this.savepoints = undefined;
    return changes;
  }

  peek(): Change[] {
    if (this.levels.length < 2) return this.levels[0]?.changes() ?? [];
    const all = new SavepointLevel();
    for (const level of this.levels) all.merge(level);
    return all.changes();
  }
}

/** The changes of a transaction, or of one savepoint inside it. */
export class SavepointLevel {
  readonly startedAt = Date.now();
  readonly #tables = new Map<string, Change[]>();
  #seen: Set<string> | undefined;

  add(change: Change): void {
    const key = duplicateKey(change);
    if (key !== undefined) {
      this.#seen ??= new Set();
      if (this.#seen.has(key)) return;
      this.#seen.add(key);
    }
    const changes = this.#tables.get(change.table);
    if (changes === undefined) this.#tables.set(change.table, [change]);
    else if (changes.length < MAX_CHANGES_PER_TABLE) changes.push(change);
    else if (changes.length === MAX_CHANGES_PER_TABLE) {
      // One entry beyond the limit marks the table as collapsed: nothing more is added.
      changes.fill(unknownRows(change));
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

/** Equal for changes that repeat each other: unknown rows of a table, or one side of several new links. */
function duplicateKey(change: EntityTableChange): string | undefined {
  const { table, entityName, type, id, before, after, updatedColumns, removes } = change;
  const isUnknown = before === undefined && !after;
  const isSide =
    !isUnknown && before !== null && before === after && (typeof id === 'number' || typeof id === 'string');
  if (!isUnknown && !isSide) return undefined;
  const columns = updatedColumns?.join() ?? '*';
  return JSON.stringify(
    isUnknown
      ? [table, entityName, type, columns, after === null, removes]
      : [table, entityName, 'side', columns, id],
  );
}

/** Deleted rows may be among them. */
function unknownRows({ metadata, table, entityName, entity }: EntityTableChange): EntityTableChange {
  return {
    metadata,
    removes: 'rows',
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

/**
 * Looks, about a second later, at durable statements whose `after` hook may never come and whose runner may never be used again.
 * One timer for all; it keeps no process alive.
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
      if ([...transaction.announced.values()].some(({ isDurable }) => isDurable)) this.add(transaction);
    }
  }
}
