import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { AnnouncedStatements, type HookKind } from '../rows/announced-statements.js';
import { changesOf, unknownChanges, type RowHook } from '../rows/changes.js';
import { tableOf } from '../entities/columns.js';
import { ExactStatements } from './exact-statements.js';
import { type HookResult, both, type CollectorOptions, ChangeEmitter } from './change-emitter.js';
import { SaveTransactions } from '../patches/save-transactions.js';
import { SavepointLevel } from './transaction-changes.js';
import { QueryRunnerPatch } from '../patches/transactions.js';
import { SqlWatch } from './sql-watch.js';
import { dialectOf, queryHooksOf } from '../dialects.js';
import { UnawaitedHooks } from './unawaited-hooks.js';
import type { OrmDataSource, OrmEntityEvent, OrmEvent, OrmQueryEvent } from '../typeorm.interface.js';

/** The statement that each entity hook announces. */
const KINDS: Record<RowHook, HookKind> = {
  insert: 'insert',
  update: 'update',
  remove: 'remove',
  softRemove: 'update',
  recover: 'update',
};

/**
 * The subscriber of one DataSource: what its hooks tell, per query runner, goes to the sink once it is durable. Hooks never
 * throw (a throw in afterQuery makes TypeORM fail the statement) and answer a promise only when the sink did. That promise
 * rejects before a COMMIT alone, where the sink could not write what belongs to the transaction.
 */
export class ChangeCollector {
  readonly #emitter: ChangeEmitter;
  readonly #sql: SqlWatch;
  readonly #own: SaveTransactions;
  readonly #raw: QueryRunnerPatch;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    this.#emitter = new ChangeEmitter(dataSource, sink, options);
    const hooks = queryHooksOf(dataSource);
    const unawaited =
      hooks === 'awaited'
        ? undefined
        : new UnawaitedHooks(this.#emitter, (event) => this.afterQuery(event), hooks === 'unawaited');
    this.#sql = new SqlWatch(this.#emitter, unawaited !== undefined);
    this.#own = new SaveTransactions(dataSource, (subscriber) => subscriber instanceof ChangeCollector);
    const exact =
      options.exactStatements === true && dialectOf(dataSource).canReportRows
        ? new ExactStatements(this.#emitter, dataSource.driver)
        : undefined;
    const runs = exact ?? unawaited;
    this.#raw = new QueryRunnerPatch(dataSource, {
      ...(runs !== undefined && { run: (runner, sql, query) => runs.run(runner, sql, query) }),
      starting: (start) => this.#own.starting(start),
      beginning: (runner) => void this.#guard('BEGIN', () => this.#emitter.runners.of(runner).enter()),
      ran: (runner) => void this.#guard('BEGIN', () => this.#emitter.ran(runner)),
      released: (runner) => void this.#guard('release', () => this.#emitter.released(runner)),
    });
  }

  beforeInsert = this.#entityHook('before', 'insert');
  beforeUpdate = this.#entityHook('before', 'update');
  beforeRemove = this.#entityHook('before', 'remove');
  beforeSoftRemove = this.#entityHook('before', 'softRemove');
  beforeRecover = this.#entityHook('before', 'recover');
  afterInsert = this.#entityHook('after', 'insert');
  afterUpdate = this.#entityHook('after', 'update');
  afterRemove = this.#entityHook('after', 'remove');
  afterSoftRemove = this.#entityHook('after', 'softRemove');
  afterRecover = this.#entityHook('after', 'recover');

  afterQuery = this.#hook('afterQuery', (event: OrmQueryEvent) => this.#sql.see(event));

  beforeTransactionStart = this.#hook('beforeTransactionStart', ({ queryRunner }: OrmEvent) => {
    this.#emitter.runners.starting(queryRunner);
    // The caller's context can still be reached.
    if (!this.#own.isBeginning) this.#emitter.runners.of(queryRunner).enter();
  });

  afterTransactionStart = this.#hook('afterTransactionStart', ({ queryRunner }: OrmEvent) => {
    this.#emitter.runners.of(queryRunner).levels.push(new SavepointLevel());
  });

  beforeTransactionCommit = this.#hook('beforeTransactionCommit', ({ queryRunner }: OrmEvent) => {
    const transaction = this.#emitter.runners.of(queryRunner);
    transaction.isCommitting = transaction.levels.length < 2;
    return transaction.isCommitting ? this.#emitter.offer(queryRunner) : undefined;
  });

  afterTransactionCommit = this.#hook('afterTransactionCommit', ({ queryRunner }: OrmEvent) => {
    if (!queryRunner.isTransactionActive) return this.#emitter.commit(queryRunner);
    this.#emitter.runners.of(queryRunner).releaseSavepoint();
    return undefined;
  });

  beforeTransactionRollback = this.#hook('beforeTransactionRollback', ({ queryRunner }: OrmEvent) => {
    const transaction = this.#emitter.runners.of(queryRunner);
    if (transaction.isCommitting) return this.#emitter.doubt(transaction);
    transaction.isRollingBack = transaction.levels.length < 2;
    // Without a connection, ROLLBACK fails and nothing else is heard of the transaction.
    return transaction.isRollingBack ? transaction.leave() : undefined;
  });

  afterTransactionRollback = this.#hook('afterTransactionRollback', ({ queryRunner }: OrmEvent) =>
    this.#emitter.rollback(queryRunner, queryRunner.isTransactionActive),
  );

  /** Called when the collector is detached: nothing is sent any more, not even by timers. */
  close(): void {
    this.#raw.close();
    this.#emitter.close();
  }

  #announce(hook: RowHook, event: OrmEntityEvent): HookResult {
    const { metadata, queryRunner, entity, databaseEntity, updatedColumns, updatedRelations } = event;
    const { outlet, runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    const table = tableOf(metadata);
    // Nobody is told of it, whatever its statements and hooks say.
    if (!this.#emitter.wants(table)) return undefined;
    let announced = transaction.announced.get(table);
    let answer: HookResult;
    if (announced?.isUnconfirmed === true && announced.isDurable && !runners.isShared(queryRunner)) {
      // A runner that is one caller's own begins something new: the hooks of the old will not come any more.
      answer = outlet.send(this.#emitter.settle(transaction));
      announced = undefined;
    } else if (announced?.isUnconfirmed === false && announced.isStale) announced = undefined;
    if (announced === undefined) transaction.announced.set(table, (announced = new AnnouncedStatements()));
    announced.announce(KINDS[hook], entity, metadata, updatedColumns, updatedRelations, databaseEntity);
    return both(answer, this.#lookUp(hook, event));
  }

  /** A row that goes, or columns that are about to be written: what they were is lost with the statement. */
  #lookUp(hook: RowHook, event: OrmEntityEvent): HookResult {
    return hook === 'update' || hook === 'remove'
      ? this.#emitter.lookups.before(event, hook === 'remove')
      : undefined;
  }

  #confirm(hook: RowHook, event: OrmEntityEvent): HookResult {
    const { queryRunner, metadata } = event;
    const { runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    const table = tableOf(metadata);
    const announced = transaction.announced.get(table);
    const changes = this.#emitter.wants(table) ? this.#changesOf(hook, event, announced) : [];
    if (announced?.confirm(KINDS[hook]) === true) transaction.announced.delete(table);
    // On a shared runner another caller's transaction may have begun since the statement ran by itself.
    const ranAlone = announced?.isDurable === true && runners.isShared(queryRunner);
    const durable = ranAlone || !queryRunner.isTransactionActive;
    return this.#emitter.deliver(transaction, changes, durable, queryRunner);
  }

  #changesOf(hook: RowHook, event: OrmEntityEvent, announced: AnnouncedStatements | undefined): Change[] {
    const { tables, returnsRows } = this.#emitter.statements;
    try {
      const changes = changesOf(hook, event, announced, tables, returnsRows);
      this.#emitter.lookups.recall(event, changes[0]);
      return changes;
    } catch (error) {
      this.#emitter.outlet.report(error, `after ${hook}`);
      return unknownChanges(tableOf(event.metadata), tables, true, false);
    }
  }

  #entityHook(when: 'before' | 'after', hook: RowHook): (event: OrmEntityEvent) => HookResult {
    return this.#hook(`${when} ${hook}`, (event: OrmEntityEvent) =>
      when === 'before' ? this.#announce(hook, event) : this.#confirm(hook, event),
    );
  }

  /** A hook, out of which nothing comes but its answer. */
  #hook<E>(where: string, body: (event: E) => HookResult | void): (event: E) => HookResult {
    return (event) => {
      try {
        return body(event) ?? undefined;
      } catch (error) {
        this.#emitter.outlet.report(error, where);
        return undefined;
      }
    };
  }

  #guard(where: string, hook: () => HookResult | void): HookResult {
    return this.#emitter.outlet.guard(where, hook);
  }
}
