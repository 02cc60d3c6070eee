import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { InvalidationFailedError } from '../../invalidation/jobs/rule-failures.js';
import type { Bracket } from '../rows/announced-statements.js';
import { unknownChanges } from '../rows/changes.js';
import { Catalogue } from '../sql/written-tables.js';
import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';
import { Lookups } from './lookups.js';
import { type Pending, Unsettled } from './transaction-changes.js';
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
export type Answer = Promise<void> | undefined;

/** Waits for both. */
export function both(one: Answer, other: Answer): Answer {
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
  offer(changes: readonly Change[], runner: OrmQueryRunner): Answer {
    const told = this.#wantedOf(changes);
    return told.length === 0 || this.#closed ? undefined : this.#sink.committing!(told, runner);
  }

  /** @param raise whether the write whose hook this is may be told of a failure that a rule wants raised */
  send(changes: readonly Change[], raise = false): Answer {
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
  sendInDoubt(changes: readonly Change[]): Answer {
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
  guard(where: string, hook: () => Answer | void): Answer {
    try {
      return hook() ?? undefined;
    } catch (error) {
      this.report(error, where);
      return undefined;
    }
  }
}

/** Where the hooks bring their changes: told at once when durable, held until the commit otherwise. */
export class Gatherer {
  readonly catalogue: Catalogue;
  readonly outlet: Outlet;
  readonly runners: Runners;
  readonly lookups: Lookups;
  readonly #staleReads = new StaleReads();
  readonly #unsettled: Unsettled;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    this.catalogue = new Catalogue(dataSource);
    this.outlet = new Outlet(sink, options);
    this.runners = new Runners(dataSource);
    this.lookups = new Lookups(dataSource, this.outlet, this.runners);
    this.#unsettled = new Unsettled((pending) => {
      const gone = (bracket: Bracket) => bracket.durable && bracket.stale;
      void this.outlet.guard('timer', () => this.outlet.send(this.settle(pending, gone)));
    });
  }

  /** SQL text that looked like BEGIN has run: it may have failed, or ended what it began. */
  ran(runner: OrmQueryRunner): Answer {
    return this.runners.isOpen(runner) ? undefined : this.runners.of(runner).leave();
  }

  /** Its runner is given back: no hook will end a transaction that failed to begin, or was left open. */
  released(runner: OrmQueryRunner): Answer {
    const pending = this.runners.of(runner);
    if (pending.raw && pending.cut && !pending.manual) return this.#end(runner, pending);
    return pending.raw || this.runners.isShared(runner) ? undefined : pending.leave();
  }

  wants(table: string): boolean {
    const wanted = this.outlet.wanted;
    return wanted === undefined || this.catalogue.tables.reaches(table, wanted);
  }

  /** @param runner where rows may be looked up, if they may */
  deliver(pending: Pending, changes: readonly Change[], durable: boolean, runner?: OrmQueryRunner): Answer {
    if (changes.length === 0) return undefined;
    const checked = changes.map((change) => this.#staleReads.check(change, pending));
    if (durable && !pending.raw) {
      const looked = runner && this.lookups.complete(checked, runner);
      return looked === undefined
        ? this.outlet.send(checked, true)
        : looked.then(() => this.outlet.send(checked, true));
    }
    pending.hold(checked);
    return pending.cut ? this.outlet.send(checked) : undefined;
  }

  /** SQL of this bracket is durable, and its hook is still to come: it may never do. */
  awaitHook(bracket: Bracket, pending: Pending): void {
    bracket.durable = true;
    this.#unsettled.add(pending);
  }

  /** Forgets the brackets whose SQL nobody confirmed: their tables have changed in rows nobody will name. */
  settle(pending: Pending, only: (bracket: Bracket) => boolean = () => true): Change[] {
    const changes: Change[] = [];
    for (const [table, bracket] of pending.brackets) {
      if (!bracket.unconfirmed || !only(bracket)) continue;
      pending.brackets.delete(table);
      if (this.wants(table))
        changes.push(...unknownChanges(table, this.catalogue.tables, bracket.deleted, false));
    }
    return changes;
  }

  /** The outermost transaction is about to be committed. A rejection keeps it from being. */
  offer(runner: OrmQueryRunner): Answer {
    const looked = this.lookups.areWanted
      ? this.lookups.complete(this.runners.of(runner).peek(), runner)
      : undefined;
    if (!this.outlet.takesOffers) return looked;
    return looked === undefined ? this.#offerAll(runner) : looked.then(() => this.#offerAll(runner));
  }

  #offerAll(runner: OrmQueryRunner): Answer {
    const pending = this.runners.of(runner);
    // On a shared runner the open brackets are other callers': their hooks are still to come.
    if (!this.runners.isShared(runner)) pending.hold(this.settle(pending));
    return this.outlet.offer(pending.peek(), runner)?.catch((error: unknown) => {
      // No COMMIT was sent, so nothing is in doubt.
      pending.committing = false;
      throw error;
    });
  }

  /** The outermost transaction is committed. */
  commit(runner: OrmQueryRunner): Answer {
    const pending = this.runners.of(runner);
    pending.hold(this.settle(pending));
    // On a shared runner the open brackets are other callers'.
    if (!this.runners.isShared(runner)) pending.brackets.clear();
    pending.begun = false;
    // First, since what is sent may rewarm: its loads are outside.
    return both(pending.leave(), this.outlet.send(pending.take(), true));
  }

  /** A statement has committed what the open transaction wrote before it, and may have ended it. */
  cut(runner: OrmQueryRunner): Answer {
    const pending = this.runners.of(runner);
    // TypeORM's own BEGIN ends no other.
    if (pending.frames.length === 0 && !pending.raw) return undefined;
    pending.cut = true;
    return this.outlet.send(pending.peek());
  }

  /** Nothing will tell how a transaction ended that was cut. */
  #end(runner: OrmQueryRunner, pending: Pending): Answer {
    pending.hold(this.settle(pending));
    const changes = pending.take();
    this.runners.rawEnded(runner, pending);
    return both(pending.leave(), this.outlet.send(changes));
  }

  /** A transaction, or with `inner` a savepoint, is rolled back. */
  rollback(runner: OrmQueryRunner, inner: boolean): Answer {
    const pending = this.runners.of(runner);
    // Durable writes may have been counted to this transaction, by other callers or after a cut: told rather than lost.
    const isTold = pending.cut || this.runners.isShared(runner);
    if (isTold) pending.hold(this.settle(pending));
    pending.brackets.clear();
    if (inner) {
      if (isTold) pending.release();
      else pending.frames.pop();
      return undefined;
    }
    pending.begun = false;
    const changes = pending.take();
    return both(pending.leave(), isTold ? this.outlet.send(changes) : undefined);
  }

  /** A COMMIT was sent, and nobody knows what became of it. */
  doubt(pending: Pending): Answer {
    pending.hold(this.settle(pending));
    return both(pending.leave(), this.outlet.sendInDoubt(pending.take()));
  }

  close(): void {
    this.#unsettled.close();
    this.outlet.close();
  }
}
