import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { InvalidationFailedError } from '../../invalidation/jobs/rule-failures.js';
import type { AnnouncedStatements } from '../rows/announced-statements.js';
import { unknownChanges } from '../rows/changes.js';
import { StatementReader } from '../sql/statement-reader.js';
import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { Lookups } from './lookups.js';
import { type TransactionChanges, UnconfirmedTimer } from './transaction-changes.js';
import { Runners } from './runners.js';
import { StaleReads } from './stale-reads.js';

export interface CollectorOptions {
  /** Called synchronously whenever a query other than BEGIN or COMMIT ran on a runner with an open transaction. */
  readonly onQueryInOpenTransaction?: () => void;
  /** The tables somebody has rules for (lower-case `tablePath`); `undefined`: all. Asked at every write. */
  readonly tables?: () => ReadonlySet<string> | undefined;
  /** Those of them whose changes the sink writes into transactions; `undefined`: all. */
  readonly durableTables?: () => ReadonlySet<string>;
  /** Paths that are read from the database where a change does not carry them, by table. */
  readonly lookups?: () => ReadonlyMap<string, readonly string[]>;
  /** Whether bulk statements report the rows they change: on PostgreSQL, elsewhere it says nothing. */
  readonly exactStatements?: boolean;
  /** Told of errors, which hooks never let out, and of the place they came from. */
  readonly onError?: (error: unknown, where: string) => void;
}

/** What a hook answers TypeORM, which waits for real promises only. */
export type HookResult = Promise<void> | undefined;

/** Waits for both. */
export function both(one: HookResult, other: HookResult): HookResult {
  return one === undefined || other === undefined
    ? (one ?? other)
    : Promise.all([one, other]).then(() => undefined);
}

const DOUBT_MS = 1_000;
const NO_LOOKUPS: ReadonlyMap<string, readonly string[]> = new Map();

/** The one way out: to the sink, and nothing else, neither errors nor tables that nobody asked for. */
export class Outlet {
  readonly #sink: ChangeSink;
  readonly #options: CollectorOptions;
  #closed = false;

  constructor(sink: ChangeSink, options: CollectorOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get wanted(): ReadonlySet<string> | undefined {
    return this.#options.tables?.();
  }

  get lookups(): ReadonlyMap<string, readonly string[]> {
    return this.#options.lookups?.() ?? NO_LOOKUPS;
  }

  /** Whether the sink writes anything into transactions. */
  get takesOffers(): boolean {
    return this.#sink.committing !== undefined && this.#options.durableTables?.().size !== 0;
  }

  /** Told before the COMMIT: what the sink answers may keep the transaction from being committed. */
  offer(changes: readonly Change[], runner: OrmQueryRunner): HookResult {
    const told = this.#wantedOf(changes);
    return told.length === 0 || this.#closed ? undefined : this.#sink.committing!(told, runner);
  }

  /** @param raise whether the write whose hook this is may be told of a failure that a rule wants raised */
  send(changes: readonly Change[], raise = false): HookResult {
    const told = this.#wantedOf(changes);
    if (told.length === 0 || this.#closed) return undefined;
    const answer = this.#sink.committed(told);
    if (answer === undefined) return undefined;
    return Promise.resolve(answer).catch((error: unknown) => {
      if (raise && error instanceof InvalidationFailedError) throw error;
      this.report(error, 'sink');
    });
  }

  /** The server may still be working on a COMMIT whose answer was lost: said now, and again when it must be over. */
  sendInDoubt(changes: readonly Change[]): HookResult {
    if (changes.length > 0)
      setTimeout(() => void this.guard('in doubt', () => this.send(changes)), DOUBT_MS).unref();
    return this.send(changes);
  }

  close(): void {
    this.#closed = true;
  }

  queryInOpenTransaction(): void {
    this.#options.onQueryInOpenTransaction?.();
  }

  report(error: unknown, where: string): void {
    try {
      this.#options.onError?.(error, where);
    } catch {
      // Nothing may leave a hook, not even what the reporter of errors throws.
    }
  }

  #wantedOf(changes: readonly Change[]): readonly Change[] {
    const wanted = this.wanted;
    return wanted === undefined ? changes : changes.filter((change) => wanted.has(change.table));
  }

  /** Runs a hook so that nothing leaves it but its answer: a throw in afterQuery makes TypeORM fail the statement. */
  guard(where: string, hook: () => HookResult | void): HookResult {
    try {
      return hook() ?? undefined;
    } catch (error) {
      this.report(error, where);
      return undefined;
    }
  }
}

/** Where the hooks bring their changes: told at once when durable, held until the commit otherwise. */
export class ChangeEmitter {
  readonly statements: StatementReader;
  readonly outlet: Outlet;
  readonly runners: Runners;
  readonly lookups: Lookups;
  readonly #staleReads = new StaleReads();
  readonly #unsettled: UnconfirmedTimer;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    this.statements = new StatementReader(dataSource);
    this.outlet = new Outlet(sink, options);
    this.runners = new Runners(dataSource);
    this.lookups = new Lookups(dataSource, this.outlet, this.runners);
    this.#unsettled = new UnconfirmedTimer((transaction) => {
      const gone = (announced: AnnouncedStatements) => announced.isDurable && announced.isStale;
      void this.outlet.guard('timer', () => this.outlet.send(this.settle(transaction, gone)));
    });
  }

  /** SQL text that looked like BEGIN has run: it may have failed, or ended what it began. */
  ran(runner: OrmQueryRunner): HookResult {
    return this.runners.isOpen(runner) ? undefined : this.runners.of(runner).leave();
  }

  /** Its runner is given back: no hook will end a transaction that failed to begin, or was left open. */
  released(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    if (transaction.isRaw && transaction.mayBeEnded && !transaction.hasNoAutocommit)
      return this.#end(runner, transaction);
    return transaction.isRaw || this.runners.isShared(runner) ? undefined : transaction.leave();
  }

  wants(table: string): boolean {
    const wanted = this.outlet.wanted;
    return wanted === undefined || this.statements.tables.reaches(table, wanted);
  }

  /** @param runner where rows may be looked up, if they may */
  deliver(
    transaction: TransactionChanges,
    changes: readonly Change[],
    durable: boolean,
    runner?: OrmQueryRunner,
  ): HookResult {
    if (changes.length === 0) return undefined;
    const checked = changes.map((change) => this.#staleReads.check(change, transaction));
    if (durable && !transaction.isRaw) {
      const looked = runner && this.lookups.complete(checked, runner);
      return looked === undefined
        ? this.outlet.send(checked, true)
        : looked.then(() => this.outlet.send(checked, true));
    }
    transaction.hold(checked);
    return transaction.mayBeEnded ? this.outlet.send(checked) : undefined;
  }

  /** SQL of this announced is durable, and its hook is still to come: it may never do. */
  awaitHook(announced: AnnouncedStatements, transaction: TransactionChanges): void {
    announced.isDurable = true;
    this.#unsettled.add(transaction);
  }

  /** Forgets the brackets whose SQL nobody confirmed: their tables have changed in rows nobody will name. */
  settle(
    transaction: TransactionChanges,
    only: (announced: AnnouncedStatements) => boolean = () => true,
  ): Change[] {
    const changes: Change[] = [];
    for (const [table, announced] of transaction.announced) {
      if (!announced.isUnconfirmed || !only(announced)) continue;
      transaction.announced.delete(table);
      if (this.wants(table))
        changes.push(...unknownChanges(table, this.statements.tables, announced.hasDeleted, false));
    }
    return changes;
  }

  /** The outermost transaction is about to be committed. A rejection keeps it from being. */
  offer(runner: OrmQueryRunner): HookResult {
    const looked = this.lookups.areWanted
      ? this.lookups.complete(this.runners.of(runner).peek(), runner)
      : undefined;
    if (!this.outlet.takesOffers) return looked;
    return looked === undefined ? this.#offerAll(runner) : looked.then(() => this.#offerAll(runner));
  }

  #offerAll(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    // On a shared runner the open brackets are other callers': their hooks are still to come.
    if (!this.runners.isShared(runner)) transaction.hold(this.settle(transaction));
    return this.outlet.offer(transaction.peek(), runner)?.catch((error: unknown) => {
      // No COMMIT was sent, so nothing is in doubt.
      transaction.isCommitting = false;
      throw error;
    });
  }

  /** The outermost transaction is committed. */
  commit(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    transaction.hold(this.settle(transaction));
    // On a shared runner the open brackets are other callers'.
    if (!this.runners.isShared(runner)) transaction.announced.clear();
    transaction.hasBegun = false;
    // First, since what is sent may rewarm: its loads are outside.
    return both(transaction.leave(), this.outlet.send(transaction.take(), true));
  }

  /** A statement has committed what the open transaction wrote before it, and may have ended it. */
  cut(runner: OrmQueryRunner): HookResult {
    const transaction = this.runners.of(runner);
    // TypeORM's own BEGIN ends no other.
    if (transaction.levels.length === 0 && !transaction.isRaw) return undefined;
    transaction.mayBeEnded = true;
    return this.outlet.send(transaction.peek());
  }

  /** Nothing will tell how a transaction ended that was cut. */
  #end(runner: OrmQueryRunner, transaction: TransactionChanges): HookResult {
    transaction.hold(this.settle(transaction));
    const changes = transaction.take();
    this.runners.rawEnded(runner, transaction);
    return both(transaction.leave(), this.outlet.send(changes));
  }

  /** A transaction, or with `inner` a savepoint, is rolled back. */
  rollback(runner: OrmQueryRunner, inner: boolean): HookResult {
    const transaction = this.runners.of(runner);
    // Durable writes may have been counted to this transaction, by other callers or after a cut: told rather than lost.
    const isTold = transaction.mayBeEnded || this.runners.isShared(runner);
    if (isTold) transaction.hold(this.settle(transaction));
    transaction.announced.clear();
    if (inner) {
      if (isTold) transaction.releaseSavepoint();
      else transaction.levels.pop();
      return undefined;
    }
    transaction.hasBegun = false;
    const changes = transaction.take();
    return both(transaction.leave(), isTold ? this.outlet.send(changes) : undefined);
  }

  /** A COMMIT was sent, and nobody knows what became of it. */
  doubt(transaction: TransactionChanges): HookResult {
    transaction.hold(this.settle(transaction));
    return both(transaction.leave(), this.outlet.sendInDoubt(transaction.take()));
  }

  close(): void {
    this.#unsettled.close();
    this.outlet.close();
  }
}
