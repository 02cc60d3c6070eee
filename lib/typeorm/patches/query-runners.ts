import { opensTransaction } from '../sql/transaction-control.js';
import type { OrmQueryRunner } from '../typeorm.interface.js';
import { isReplaceable, ReplacedMethod, type ReportUnsupported } from './replaced-method.js';

/** The patches of a runner. One that SQLite shares outlives many of them; other runners live for one statement. */
const PATCHES = Symbol('restflow patches');

interface Runner extends OrmQueryRunner {
  [PATCHES]?: Set<QueryRunnerPatch>;
  query(sql: string, ...rest: unknown[]): Promise<unknown>;
  startTransaction(...args: unknown[]): Promise<void>;
  stream?(sql: string, ...rest: unknown[]): Promise<RowStream>;
  release(): Promise<void>;
}

/** A stream of rows. */
interface RowStream {
  once(event: 'end' | 'close', listener: () => void): unknown;
}

interface RunnerSource {
  createQueryRunner(...args: unknown[]): Runner;
}

/** Receives transactions that are about to begin, and runners that can no longer end one. */
export interface QueryRunnerWatcher {
  /** Carries out a call of startTransaction(). */
  starting<T>(start: () => T): T;
  /** SQL text is about to begin a transaction. Called in the caller's async context, before anything is awaited. */
  beginning(runner: OrmQueryRunner): void;
  /** That text has run, or failed. */
  beginTextRan(runner: OrmQueryRunner): void;
  released(runner: OrmQueryRunner): void;
  /** A statement is about to run. Called in the caller's async context. */
  running(sql: string): void;
  /** True if a runner that may read from a replica must read from the primary. Called in the caller's async context. */
  mustReadPrimary(): boolean;
  /** A statement runs as a stream, which no hook reports. Called in the caller's async context. */
  streaming(runner: OrmQueryRunner): void;
  /** A statement is about to run, as a stream or not. Called in the caller's async context. */
  querying(runner: OrmQueryRunner, sql: string): void;
  /** The stream has ended. */
  streamed(runner: OrmQueryRunner, sql: string): void;
  /** May run a statement in another way; returns `undefined` where it has not run it. */
  readonly run?: (
    runner: OrmQueryRunner,
    sql: string,
    query: (sql: string) => Promise<unknown>,
  ) => Promise<unknown> | undefined;
}

const EFFECT =
  "a read after query('BEGIN') may be answered from the cache, exactStatements has no effect, and with TypeORM 0.3 on MySQL, MariaDB " +
  'or better-sqlite3 a write may return before its invalidation is done';

/**
 * Replaces `createQueryRunner()` of a DataSource, and `query()`, `stream()`, `startTransaction()` and `release()` of each query runner that it
 * makes. `afterQuery` is called when the connection was awaited, which is too late to see `query('BEGIN')` in the caller's async
 * context.
 *
 * Relies on TypeORM: every statement runs on a runner of `DataSource.createQueryRunner()`, by `runner.query(sql, …)`; runners have
 * the three methods. Checked when the patch is made, and on each runner. Where they are missing the runner is left as it is:
 * changes are collected by hooks all the same, and queries in open transactions are noticed when they have run.
 */
export class QueryRunnerPatch {
  readonly #createQueryRunner: ReplacedMethod<RunnerSource, 'createQueryRunner'> | undefined;
  readonly #report: ReportUnsupported | undefined;
  #isClosed = false;

  constructor(
    dataSource: object,
    readonly watcher: QueryRunnerWatcher,
    report?: ReportUnsupported,
  ) {
    this.#report = report;
    const source = dataSource as RunnerSource;
    if (!isReplaceable(source, 'createQueryRunner')) {
      report?.('createQueryRunner() of the DataSource', EFFECT);
      return;
    }
    const { createQueryRunner } = source;
    this.#createQueryRunner = new ReplacedMethod(source, 'createQueryRunner', (...args) => {
      // The primary also answers what a replica would.
      const mode = args[0] !== 'master' && !this.#isClosed && watcher.mustReadPrimary() ? ['master'] : args;
      const runner = createQueryRunner.apply(source, mode);
      if (!this.#isClosed) this.#watch(runner);
      return runner;
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    // A wrapper that cannot be taken back does nothing from now on.
    this.#isClosed = true;
    this.#createQueryRunner?.putBack();
  }

  #watch(runner: Runner): void {
    const known = runner[PATCHES];
    if (known !== undefined) {
      if (known.has(this)) return;
      for (const patch of known) if (patch.isClosed) known.delete(patch);
      known.add(this);
    } else if (hasMethods(runner)) patch(runner, this);
    else this.#report?.('query(), startTransaction() or release() of a query runner', EFFECT);
  }
}

function hasMethods(runner: Runner): boolean {
  return (
    typeof runner.query === 'function' &&
    typeof runner.startTransaction === 'function' &&
    typeof runner.release === 'function' &&
    Object.isExtensible(runner)
  );
}

function patch(runner: Runner, first: QueryRunnerPatch): void {
  const { query, startTransaction, release } = runner;
  const patches = new Set([first]);
  runner[PATCHES] = patches;
  const tell = (event: 'beginning' | 'beginTextRan' | 'released' | 'streaming'): void => {
    for (const { isClosed, watcher } of patches) if (!isClosed) watcher[event](runner);
  };
  const run = (sql: string, rest: unknown[]): Promise<unknown> => {
    for (const { isClosed, watcher } of patches) if (!isClosed) watcher.running(sql);
    for (const { isClosed, watcher } of patches) {
      if (isClosed || watcher.run === undefined) continue;
      const result = watcher.run(runner, sql, (text) => query.call(runner, text, ...rest));
      if (result !== undefined) return result;
    }
    return query.call(runner, sql, ...rest);
  };
  const announce = (sql: string): void => {
    for (const { isClosed, watcher } of patches) if (!isClosed) watcher.querying(runner, sql);
  };
  runner.query = (sql, ...rest) => {
    announce(sql);
    // Transactions of TypeORM itself have hooks.
    if (runner.isTransactionActive || !opensTransaction(sql)) return run(sql, rest);
    tell('beginning');
    const result = run(sql, rest);
    const ran = (): void => tell('beginTextRan');
    result.then(ran, ran);
    return result;
  };
  const { stream } = runner;
  if (typeof stream === 'function')
    runner.stream = async (sql, ...rest) => {
      announce(sql);
      tell('streaming');
      for (const { isClosed, watcher } of patches) if (!isClosed) watcher.running(sql);
      const rows = await stream.call(runner, sql, ...rest);
      let isOver = false;
      const end = (): void => {
        if (isOver) return;
        isOver = true;
        for (const { isClosed, watcher } of patches) if (!isClosed) watcher.streamed(runner, sql);
      };
      for (const event of ['end', 'close'] as const) rows.once(event, end);
      return rows;
    };
  // Any of the watchers may carry it out: they share what they know of the driver.
  runner.startTransaction = (...args) => first.watcher.starting(() => startTransaction.apply(runner, args));
  runner.release = () => {
    tell('released');
    return release.call(runner);
  };
}
