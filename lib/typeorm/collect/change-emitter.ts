import { currentLoad } from '../../cache/engine/load-context.js';
import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { InvalidationFailedError } from '../../invalidation/jobs/rule-failures.js';
import type { KnownTables } from '../entities/tables.js';
import type { ReportUnsupported } from '../patches/replaced-method.js';
import type { AnnouncedStatements } from '../rows/announced-statements.js';
import { unknownChanges } from '../rows/changes.js';
import { TableReader } from '../sql/read-tables.js';
import { StatementReader } from '../sql/statement-reader.js';
import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { isLookedUp, Lookups } from './lookups.js';
import { MetRows } from './met-rows.js';
import { Runners } from './runners.js';
import { StaleReads } from './stale-reads.js';
import { type TransactionChanges, UnconfirmedTimer } from './transaction-changes.js';

/** The changes of a DataSource that the present rules need. Tables are named by their lower-case `tablePath`. */
export interface ChangeInterest {
  /** The tables that rules watch; `undefined`: all. */
  readonly tables?: ReadonlySet<string> | undefined;
  /** Those of them whose changes the sink writes into transactions; `undefined`: all. */
  readonly durableTables?: ReadonlySet<string> | undefined;
  /** Tables of which a rule reads more than the primary key, so that the row before a change must be the one that its statement met. */
  readonly movable?: ReadonlySet<string> | undefined;
  /** By table: paths to read from the database where a change does not carry them; `undefined`: none. */
  readonly lookups?: ReadonlyMap<string, readonly string[]> | undefined;
}

export interface CollectorOptions {
  /** Asked once for a statement and once for a commit. Default: all tables, no lookups. */
  readonly interest?: () => ChangeInterest;
  /** The tables of the database. Default: those of the DataSource alone. */
  readonly tables?: () => KnownTables;
  /** True while the sink takes the old values of rows for unknown: they are not checked. */
  readonly isEarly?: () => boolean;
  /** Called when a statement wrote a table that the catalogue does not know. */
  readonly onUnknownTable?: () => void;
  /** Called before each statement, in the async context of its caller. */
  readonly onQuery?: (sql: string) => void;
  /** Called synchronously whenever a query other than BEGIN or COMMIT ran on a runner with an open transaction. */
  readonly onQueryInOpenTransaction?: () => void;
  /** True if bulk statements report the rows that they change, on databases where they can. */
  readonly exactStatements?: () => boolean;
  /** Receives errors, which never leave a hook, and the place that they came from. */
  readonly onError?: (error: unknown, where: string) => void;
  readonly onUnsupported?: ReportUnsupported;
}

/** The result of a hook: TypeORM awaits promises only. */
export type HookResult = Promise<void> | undefined;

/** Waits for both. */
export function both(one: HookResult, other: HookResult): HookResult {
  return one === undefined || other === undefined
    ? (one ?? other)
    : Promise.all([one, other]).then(() => undefined);
}

const EVERYTHING: ChangeInterest = {};
/** After a COMMIT without an answer, the server must be done with it by then. */
const IN_DOUBT_MS = 1_000;

/**
 * Hands the changes of one DataSource to its sink: durable ones at once, those of a transaction after its COMMIT. Its methods are
 * the events in the life of a transaction.
 */
export class ChangeEmitter {
  readonly statements: StatementReader;
  readonly runners: Runners;
  readonly lookups: Lookups;
  readonly metRows: MetRows;
  readonly #sink: ChangeSink;
  readonly #options: CollectorOptions;
  readonly #staleReads = new StaleReads();
  readonly #reads = new TableReader();
  readonly #unconfirmed: UnconfirmedTimer;
  #isClosed = false;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    this.#sink = sink;
    this.#options = options;
    this.statements = new StatementReader(dataSource, options.tables, options.onUnknownTable);
    this.runners = new Runners(dataSource);
    this.lookups = new Lookups(dataSource, this, this.runners);
    this.metRows = new MetRows(dataSource, this);
    this.#unconfirmed = new UnconfirmedTimer((transaction) => {
      const isOver = (announced: AnnouncedStatements) => announced.isDurable && announced.isStale;
      void this.guard('timer', () => this.#send(this.takeUnconfirmed(transaction, isOver)));
    });
  }

  get interest(): ChangeInterest {
    return this.#options.interest?.() ?? EVERYTHING;
  }

  /** True if a write on the table may concern a rule. */
  wants(table: string, { tables }: ChangeInterest): boolean {
    return tables === undefined || this.statements.tables.reaches(table, tables);
  }

  /** Notes what a statement reads and writes in the load that runs it. */
  noteInLoad(sql: string): void {
    const load = currentLoad();
    if (load === undefined) return;
    const { statements } = this;
    for (const table of this.#reads.read(sql, statements.tables)) load.tables.add(table);
    // A load that writes is not repeated to verify its value.
    if (statements.read(sql).writes.length > 0) load.hasWritten = true;
  }

  queryInOpenTransaction(): void {
    this.#options.onQueryInOpenTransaction?.();
  }

  /**
   * Takes the changes of one statement.
   * @param runner where rows may be looked up; left out where they must not be
   */
  deliver(
    transaction: TransactionChanges,
    changes: readonly Change[],
    isDurable: boolean,
    runner?: OrmQueryRunner,
  ): HookResult {
    if (changes.length === 0) return undefined;
    const isEarly = this.#options.isEarly?.() === true;
    const checked = isEarly
      ? changes
      : changes.map((change) => this.#staleReads.check(change, transaction, this.metRows.hasMet(change)));
    if (isDurable && !transaction.isRaw) {
      const { interest } = this;
      const looked = runner && interest.lookups && this.lookups.complete(checked, runner, interest.lookups);
      return looked === undefined
        ? this.#send(checked, true, interest)
        : looked.then(() => this.#send(checked, true));
    }
    transaction.hold(checked);
    return transaction.mayBeEnded ? this.#send(checked) : undefined;
  }

  /** A statement with hooks is durable before its `after` hook has come. The hook may never come. */
  awaitHook(announced: AnnouncedStatements, transaction: TransactionChanges): void {
    announced.isDurable = true;
    this.#unconfirmed.add(transaction);
  }

  /** Takes out announced statements that no hook confirmed: unknown rows of their tables have changed. */
  takeUnconfirmed(
    transaction: TransactionChanges,
    only: (announced: AnnouncedStatements) => boolean = () => true,
  ): Change[] {
    const changes: Change[] = [];
    for (const [table, announced] of transaction.announced) {
      if (!announced.isUnconfirmed || !only(announced)) continue;
      transaction.announced.delete(table);
      changes.push(...unknownChanges(table, this.statements.tables, announced.hasDeleted, false));
    }
    return changes;
  }

  /** Sends the announced statements of a runner that no hook confirmed. */
  sendUnconfirmed(transaction: TransactionChanges): HookResult {
    return this.#send(this.takeUnconfirmed(transaction));
  }

  /** The outermost transaction is about to be committed. A rejection prevents the COMMIT. */
  beforeCommit(runner: OrmQueryRunner): HookResult {
    const { interest } = this;
    const transaction = this.runners.of(runner);
    const looked = interest.lookups && this.lookups.complete(transaction.peek(), runner, interest.lookups);
    if (this.#sink.committing === undefined || interest.durableTables?.size === 0) return looked;
    const offer = (): HookResult => this.#offer(runner, transaction, interest);
    return looked === undefined ? offer() : looked.then(offer);
  }

  #offer(runner: OrmQueryRunner, transaction: TransactionChanges, interest: ChangeInterest): HookResult {
    // The announced statements of a shared runner may belong to other callers: their hooks are still to come.
    if (!this.runners.isShared(runner)) transaction.hold(this.takeUnconfirmed(transaction));
    const changes = wantedOf(transaction.peek(), interest);
    if (changes.length === 0 || this.#isClosed) return undefined;
    return this.#sink.committing!(changes, runner)?.catch((error: unknown) => {
      // No COMMIT is sent, so nothing is in doubt.
      transaction.isCommitting = false;
      throw error;
    });
  }

  /** The outermost transaction is committed. */
  committed(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    transaction.hold(this.takeUnconfirmed(transaction));
    // The announced statements of a shared runner may belong to other callers.
    if (!this.runners.isShared(runner)) transaction.announced.clear();
    transaction.hasBegun = false;
    // The context is left first: invalidation may rewarm, and those loads are outside of the transaction.
    const isRaw = transaction.isRaw;
    const changes = transaction.take();
    const sent = both(transaction.leaveContext(), this.#send(changes, true));
    const wanted = this.interest.lookups;
    // One connection for all has no snapshot; a transaction by SQL text has no look-ups.
    if (wanted === undefined || isRaw || this.runners.isShared(runner)) return sent;
    const again = this.lookups.again(changes, runner, wanted)?.then((present) => this.#send(present, true));
    return both(sent, again);
  }

  /** A statement has committed what the open transaction wrote before it, and may have ended it. */
  committedByStatement(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    // TypeORM's own BEGIN ends no other transaction.
    if (transaction.levels.length === 0 && !transaction.isRaw) return undefined;
    transaction.mayBeEnded = true;
    return this.#send(transaction.peek());
  }

  /** A transaction, or with `isSavepoint` a savepoint, is rolled back. */
  rolledBack(runner: OrmQueryRunner, isSavepoint: boolean): HookResult {
    const transaction = this.runners.of(runner);
    // Durable writes of other callers, or after an implicit commit, may be among its changes: sent rather than lost.
    const mayBeDurable = transaction.mayBeEnded || this.runners.isShared(runner);
    if (mayBeDurable) transaction.hold(this.takeUnconfirmed(transaction));
    transaction.announced.clear();
    if (isSavepoint) {
      if (mayBeDurable) transaction.releaseSavepoint();
      else transaction.levels.pop();
      return undefined;
    }
    transaction.hasBegun = false;
    const changes = transaction.take();
    return both(transaction.leaveContext(), mayBeDurable ? this.#send(changes) : undefined);
  }

  /** A COMMIT was sent and its outcome is unknown: the changes are sent now, and again when the server must be done. */
  commitFailed(transaction: TransactionChanges): HookResult {
    transaction.hold(this.takeUnconfirmed(transaction));
    const left = transaction.leaveContext();
    const wanted = this.interest.lookups;
    // The connection may be lost, so what was looked up cannot be read again.
    const changes = transaction
      .take()
      .map((change) => (wanted !== undefined && isLookedUp(change, wanted) ? withoutRows(change) : change));
    if (changes.length > 0)
      setTimeout(() => void this.guard('in doubt', () => this.#send(changes)), IN_DOUBT_MS).unref();
    return both(left, this.#send(changes));
  }

  /** SQL text that looked like BEGIN has run. It may have failed, or ended what it began. */
  beginTextRan(runner: OrmQueryRunner): HookResult {
    return this.runners.isOpen(runner) ? undefined : this.runners.of(runner).leaveContext();
  }

  /** The runner is released: no hook will report the end of a transaction that failed to begin or was left open. */
  released(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    if (!transaction.isRaw) return this.runners.isShared(runner) ? undefined : transaction.leaveContext();
    if (!transaction.mayBeEnded || transaction.hasNoAutocommit) return undefined;
    transaction.hold(this.takeUnconfirmed(transaction));
    const changes = transaction.take();
    this.runners.rawEnded(runner, transaction);
    return both(transaction.leaveContext(), this.#send(changes));
  }

  /** @param raises whether the write that this hook belongs to may fail with an error that a rule wants raised */
  #send(changes: readonly Change[], raises = false, interest?: ChangeInterest): HookResult {
    if (changes.length === 0 || this.#isClosed) return undefined;
    const wanted = wantedOf(changes, interest ?? this.interest);
    if (wanted.length === 0) return undefined;
    const result = this.#sink.committed(wanted);
    if (result === undefined) return undefined;
    return Promise.resolve(result).catch((error: unknown) => {
      if (raises && error instanceof InvalidationFailedError) throw error;
      this.report(error, 'sink');
    });
  }

  /** Runs a hook so that only its result leaves it: an error thrown in `afterQuery` makes TypeORM fail the statement. */
  guard(where: string, hook: () => HookResult | void): HookResult {
    try {
      return hook() ?? undefined;
    } catch (error) {
      this.report(error, where);
      return undefined;
    }
  }

  report(error: unknown, where: string): void {
    try {
      this.#options.onError?.(error, where);
    } catch {
      // Nothing may leave a hook, not even an error of the reporter.
    }
  }

  close(): void {
    this.#unconfirmed.close();
    this.#isClosed = true;
  }
}

/** The change, its rows unknown. */
function withoutRows(change: Change): Change {
  return { ...change, before: undefined, after: change.after === null ? null : undefined };
}

function wantedOf(changes: readonly Change[], { tables }: ChangeInterest): readonly Change[] {
  return tables === undefined ? changes : changes.filter((change) => tables.has(change.table));
}
