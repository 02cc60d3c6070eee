import { tableOf } from '../entities/columns.js';
import { knownTablesOf } from '../entities/tables.js';
import { opensTransaction } from '../sql/transaction-control.js';
import type { OrmDataSource, OrmMetadata, OrmQueryRunner } from '../typeorm.interface.js';
import { ReplacedMethod } from './replaced-method.js';

/** Who watches a runner: SQLite's one runner outlives many of them. Others live for one statement, see {@link OwnValues}. */
const watchersOf = Symbol('restflow watchers');

interface Runner extends OrmQueryRunner {
  [watchersOf]?: Set<QueryRunnerPatch>;
  query(sql: string, ...rest: unknown[]): Promise<unknown>;
  startTransaction?(...args: unknown[]): Promise<void>;
  release?(): Promise<void>;
}

interface RunnerSource {
  createQueryRunner(...args: unknown[]): Runner;
}

/** Told of transactions that are about to begin, and of runners that can no longer end one. */
export interface QueryRunnerWatcher {
  /** Carries out a call of startTransaction(). */
  starting<T>(start: () => T): T;
  /** SQL text is about to begin one. Called in the caller's own context, before anything is awaited. */
  beginning(runner: Runner): void;
  /** The text has run, whatever came of it. */
  ran(runner: Runner): void;
  released(runner: Runner): void;
  /** May run a statement in its own way; answers `undefined` where it has not run it. */
  readonly run?: (
    runner: Runner,
    sql: string,
    query: (sql: string) => Promise<unknown>,
  ) => Promise<unknown> | undefined;
}

/**
 * Sees `query('BEGIN')` before it runs: the hook of a query is called when its connection has been awaited, which is no
 * longer the context of who asked for it.
 */
export class QueryRunnerPatch {
  readonly #replaced: ReplacedMethod<RunnerSource, 'createQueryRunner'>;
  #closed = false;

  constructor(
    dataSource: OrmDataSource,
    readonly watcher: QueryRunnerWatcher,
  ) {
    const source = dataSource as unknown as RunnerSource;
    const { createQueryRunner } = source;
    this.#replaced = new ReplacedMethod(source, 'createQueryRunner', (...args) => {
      const runner = createQueryRunner.apply(source, args);
      if (!this.#closed) this.#watch(runner);
      return runner;
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  close(): void {
    // Where our wrapper stays, it does nothing from now on.
    this.#closed = true;
    this.#replaced.putBack();
  }

  #watch(runner: Runner): void {
    const known = runner[watchersOf];
    if (known === undefined) return instrument(runner, this);
    if (known.has(this)) return;
    for (const watcher of known) if (watcher.isClosed) known.delete(watcher);
    known.add(this);
  }
}

function instrument(runner: Runner, first: QueryRunnerPatch): void {
  const { query, startTransaction, release } = runner;
  const watchers = new Set([first]);
  runner[watchersOf] = watchers;
  const tell = (what: 'beginning' | 'ran' | 'released'): void => {
    for (const { isClosed, watcher } of watchers) if (!isClosed) watcher[what](runner);
  };
  const run = (sql: string, rest: unknown[]): Promise<unknown> => {
    for (const { isClosed, watcher } of watchers) {
      if (isClosed || watcher.run === undefined) continue;
      const answer = watcher.run(runner, sql, (text) => query.call(runner, text, ...rest));
      if (answer !== undefined) return answer;
    }
    return query.call(runner, sql, ...rest);
  };
  runner.query = (sql, ...rest) => {
    // TypeORM's own transactions have said so already.
    if (runner.isTransactionActive || !opensTransaction(sql)) return run(sql, rest);
    tell('beginning');
    const answer = run(sql, rest);
    const ran = (): void => tell('ran');
    answer.then(ran, ran);
    return answer;
  };
  if (startTransaction !== undefined) {
    // Which of them carries it out is all the same: they share what they know of the driver.
    runner.startTransaction = (...args) => first.watcher.starting(() => startTransaction.apply(runner, args));
  }
  if (release !== undefined) {
    runner.release = () => {
      tell('released');
      return release.call(runner);
    };
  }
}

/** The parts of a query builder that decide whether its statement runs in a transaction of its own. */
interface ExpressionMap {
  useTransaction: boolean;
  readonly queryType: string;
  readonly mainAlias?: { readonly hasMetadata: boolean; readonly metadata: OrmMetadata };
  clone(): ExpressionMap;
}

interface Builder {
  readonly expressionMap: ExpressionMap;
  relation?(...args: unknown[]): { createQueryBuilder(...args: unknown[]): Builder };
}

interface BuilderSource {
  createQueryBuilder(...args: unknown[]): Builder;
}

/**
 * Runs autocommit statements of query builders (`insert()`, `update(criteria)`, `delete(criteria)`, …) in a transaction of
 * their own where their table has durable rules: the job of an invalidation must be committed with the change. It is
 * TypeORM's own `useTransaction`, asked when the statement runs, since only then its table is known.
 */
export class StatementTransactions {
  readonly #source: OrmDataSource & BuilderSource;
  readonly #replaced: ReplacedMethod<BuilderSource, 'createQueryBuilder'>;
  #closed = false;

  constructor(
    dataSource: OrmDataSource,
    private readonly durableTables: () => ReadonlySet<string>,
  ) {
    const source = (this.#source = dataSource as OrmDataSource & BuilderSource);
    const { createQueryBuilder } = source;
    this.#replaced = new ReplacedMethod<BuilderSource, 'createQueryBuilder'>(
      source,
      'createQueryBuilder',
      (...args) => this.#enlist(createQueryBuilder.apply(source, args)),
    );
  }

  close(): void {
    // Where our wrapper stays, it does nothing from now on.
    this.#closed = true;
    this.#replaced.putBack();
  }

  #enlist(builder: Builder): Builder {
    if (this.#closed || this.durableTables().size === 0) return builder;
    this.#watch(builder.expressionMap);
    const { relation } = builder;
    // The statements of relation().add() and the like come from builders that this one makes.
    if (relation !== undefined) {
      builder.relation = (...args) => {
        const related = relation.apply(builder, args);
        const { createQueryBuilder } = related;
        related.createQueryBuilder = (...of) => this.#enlist(createQueryBuilder.apply(related, of));
        return related;
      };
    }
    return builder;
  }

  #watch(map: ExpressionMap): void {
    let asked = map.useTransaction;
    Object.defineProperty(map, 'useTransaction', {
      configurable: true,
      enumerable: true,
      get: () => asked || this.#isDurable(map),
      set: (value: boolean) => void (asked = value),
    });
    // `insert()`, `update()` and the like go on with a copy.
    const { clone } = map;
    map.clone = () => {
      const copy = clone.call(map);
      copy.useTransaction = asked;
      this.#watch(copy);
      return copy;
    };
  }

  #isDurable({ queryType, mainAlias }: ExpressionMap): boolean {
    if (queryType === 'select' || queryType === 'relation' || mainAlias?.hasMetadata !== true) return false;
    return knownTablesOf(this.#source).reaches(tableOf(mainAlias.metadata), this.durableTables());
  }
}
