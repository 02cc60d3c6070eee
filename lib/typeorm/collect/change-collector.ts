import { currentLoad, isVerifying } from '../../cache/engine/load-context.js';
import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { dialectOf, queryHooksOf } from '../dialects.js';
import { tableOf } from '../entities/columns.js';
import { QueryRunnerPatch } from '../patches/query-runners.js';
import { SaveTransactions } from '../patches/save-transactions.js';
import { AnnouncedStatements, type StatementKind } from '../rows/announced-statements.js';
import { changesOf, type RowHook, unknownChanges } from '../rows/changes.js';
import type { OrmDataSource, OrmEntityEvent, OrmEvent, OrmQueryEvent } from '../typeorm.interface.js';
import { both, ChangeEmitter, type CollectorOptions, type HookResult } from './change-emitter.js';
import { ExactStatements } from './exact-statements.js';
import { SqlWatch } from './sql-watch.js';
import { SavepointLevel } from './transaction-changes.js';
import { UnawaitedHooks } from './unawaited-hooks.js';

/** The statement that each entity hook announces. */
const STATEMENTS: Record<RowHook, StatementKind> = {
  insert: 'insert',
  update: 'update',
  remove: 'remove',
  softRemove: 'update',
  recover: 'update',
};

/**
 * The subscriber of one DataSource: translates TypeORM's hooks into changes of query runners. Hooks never throw, since an error in
 * `afterQuery` fails the statement, and return a promise only when there is something to await. That promise rejects before a
 * COMMIT where the sink could not write what belongs into the transaction, and after a commit where a rule wants its error raised.
 */
export class ChangeCollector {
  readonly #emitter: ChangeEmitter;
  readonly #sql: SqlWatch;
  readonly #saves: SaveTransactions;
  readonly #queryRunners: QueryRunnerPatch;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    const emitter = (this.#emitter = new ChangeEmitter(dataSource, sink, options));
    const hooks = queryHooksOf(dataSource);
    const unawaited =
      hooks === 'awaited'
        ? undefined
        : new UnawaitedHooks(emitter, (event) => this.afterQuery(event), hooks === 'unawaited');
    const exact =
      options.exactStatements !== undefined && dialectOf(dataSource).canReportRows
        ? new ExactStatements(emitter, dataSource.driver, options.exactStatements)
        : undefined;
    const statements = exact ?? unawaited;
    this.#sql = new SqlWatch(emitter, unawaited !== undefined);
    this.#saves = new SaveTransactions(dataSource, (subscriber) => subscriber instanceof ChangeCollector);
    this.#queryRunners = new QueryRunnerPatch(
      dataSource,
      {
        ...(statements !== undefined && { run: (runner, sql, query) => statements.run(runner, sql, query) }),
        starting: (start) => this.#saves.starting(start),
        beginning: (runner) =>
          void emitter.guard('BEGIN', () => emitter.runners.of(runner).enterContext(runner)),
        beginTextRan: (runner) => void emitter.guard('BEGIN', () => emitter.beginTextRan(runner)),
        running: (sql) => void emitter.guard('query', () => emitter.noteInLoad(sql)),
        mustReadPrimary: () => isVerifying() && currentLoad()?.readsReplica === false,
        released: (runner) => void emitter.guard('release', () => emitter.released(runner)),
        streaming: (runner) =>
          void emitter.guard('stream', () => {
            if (emitter.runners.isOpen(runner)) emitter.queryInOpenTransaction();
          }),
        querying: (_, sql) => void emitter.guard('query', () => options.onQuery?.(sql)),
        streamed: (queryRunner, query) => void this.afterQuery({ queryRunner, query, success: true }),
      },
      options.onUnsupported,
    );
  }

  beforeTransactionStart = this.#hook('beforeTransactionStart', ({ queryRunner }: OrmEvent) => {
    const { runners } = this.#emitter;
    runners.starting(queryRunner);
    // The caller's async context can still be reached here.
    if (!this.#saves.isBeginning) runners.of(queryRunner).enterContext(queryRunner);
  });

  afterTransactionStart = this.#hook('afterTransactionStart', ({ queryRunner }: OrmEvent) => {
    this.#emitter.runners.of(queryRunner).levels.push(new SavepointLevel());
  });

  beforeInsert = this.#hook('beforeInsert', (event: OrmEntityEvent) => this.#announce('insert', event));
  beforeUpdate = this.#hook('beforeUpdate', (event: OrmEntityEvent) => this.#announce('update', event));
  beforeRemove = this.#hook('beforeRemove', (event: OrmEntityEvent) => this.#announce('remove', event));
  beforeSoftRemove = this.#hook('beforeSoftRemove', (event: OrmEntityEvent) =>
    this.#announce('softRemove', event),
  );
  beforeRecover = this.#hook('beforeRecover', (event: OrmEntityEvent) => this.#announce('recover', event));

  afterQuery = this.#hook('afterQuery', (event: OrmQueryEvent) => this.#sql.afterQuery(event));

  afterInsert = this.#hook('afterInsert', (event: OrmEntityEvent) => this.#confirm('insert', event));
  afterUpdate = this.#hook('afterUpdate', (event: OrmEntityEvent) => this.#confirm('update', event));
  afterRemove = this.#hook('afterRemove', (event: OrmEntityEvent) => this.#confirm('remove', event));
  afterSoftRemove = this.#hook('afterSoftRemove', (event: OrmEntityEvent) =>
    this.#confirm('softRemove', event),
  );
  afterRecover = this.#hook('afterRecover', (event: OrmEntityEvent) => this.#confirm('recover', event));

  beforeTransactionCommit = this.#hook('beforeTransactionCommit', ({ queryRunner }: OrmEvent) => {
    const transaction = this.#emitter.runners.of(queryRunner);
    transaction.isCommitting = transaction.levels.length < 2;
    return transaction.isCommitting ? this.#emitter.beforeCommit(queryRunner) : undefined;
  });

  afterTransactionCommit = this.#hook('afterTransactionCommit', ({ queryRunner }: OrmEvent) => {
    if (!queryRunner.isTransactionActive) return this.#emitter.committed(queryRunner);
    this.#emitter.runners.of(queryRunner).releaseSavepoint();
    return undefined;
  });

  beforeTransactionRollback = this.#hook('beforeTransactionRollback', ({ queryRunner }: OrmEvent) => {
    const transaction = this.#emitter.runners.of(queryRunner);
    if (transaction.isCommitting) return this.#emitter.commitFailed(transaction);
    transaction.isRollingBack = transaction.levels.length < 2;
    // ROLLBACK fails on a lost connection, and then no other hook reports the end of the transaction.
    return transaction.isRollingBack ? transaction.leaveContext() : undefined;
  });

  afterTransactionRollback = this.#hook('afterTransactionRollback', ({ queryRunner }: OrmEvent) =>
    this.#emitter.rolledBack(queryRunner, queryRunner.isTransactionActive),
  );

  /** Called when the collector is detached: nothing is sent any more, not even by timers. */
  close(): void {
    this.#queryRunners.close();
    this.#emitter.close();
  }

  /** A `before` hook: a statement on the table follows, and its `after` hook will tell which row it wrote. */
  #announce(hook: RowHook, event: OrmEntityEvent): HookResult {
    const { metadata, queryRunner, entity, databaseEntity, updatedColumns, updatedRelations } = event;
    const { runners, interest } = this.#emitter;
    const table = tableOf(metadata);
    if (!this.#emitter.wants(table, interest)) return undefined;
    const transaction = runners.of(queryRunner);
    let announced = transaction.announced.get(table);
    let sent: HookResult;
    if (announced?.isUnconfirmed === true && announced.isDurable && !runners.isShared(queryRunner)) {
      // A runner with one caller is at its next operation: hooks of the previous one will not come any more.
      sent = this.#emitter.sendUnconfirmed(transaction);
      announced = undefined;
    } else if (announced?.isUnconfirmed === false && announced.isStale) announced = undefined;
    if (announced === undefined) transaction.announced.set(table, (announced = new AnnouncedStatements()));
    announced.announce(STATEMENTS[hook], entity, metadata, updatedColumns, updatedRelations, databaseEntity);
    // The old values of a removed row, or of assigned columns, are lost with the statement.
    if (hook === 'insert') return sent;
    const met = interest.movable?.has(table) === true ? this.#emitter.metRows.before(event) : undefined;
    if (interest.lookups === undefined || (hook !== 'update' && hook !== 'remove')) return both(sent, met);
    const lookUp = (): HookResult =>
      this.#emitter.lookups.before(event, hook === 'remove', interest.lookups!.get(table));
    return both(sent, met === undefined ? lookUp() : met.then(lookUp));
  }

  /** An `after` hook: the statement has written the row that the event shows. */
  #confirm(hook: RowHook, event: OrmEntityEvent): HookResult {
    const { queryRunner, metadata } = event;
    const { runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    const table = tableOf(metadata);
    const announced = transaction.announced.get(table);
    const isWanted = announced !== undefined || this.#emitter.wants(table, this.#emitter.interest);
    const changes = isWanted ? this.#changesOf(hook, event, announced) : [];
    if (announced?.confirm(STATEMENTS[hook]) === true) transaction.announced.delete(table);
    // On a shared runner, another caller may have begun a transaction since the statement ran on its own.
    const ranAlone = announced?.isDurable === true && runners.isShared(queryRunner);
    const isDurable = ranAlone || !queryRunner.isTransactionActive;
    return this.#emitter.deliver(transaction, changes, isDurable, queryRunner);
  }

  #changesOf(hook: RowHook, event: OrmEntityEvent, announced: AnnouncedStatements | undefined): Change[] {
    const { tables, returnsRows } = this.#emitter.statements;
    try {
      const changes = changesOf(hook, event, announced, tables, returnsRows);
      if (changes[0] !== undefined) changes[0] = this.#emitter.metRows.correct(event, changes[0]);
      this.#emitter.lookups.recall(event, changes[0]);
      return changes;
    } catch (error) {
      this.#emitter.report(error, `changes of ${hook}`);
      return unknownChanges(tableOf(event.metadata), tables, true, false);
    }
  }

  /** A hook that lets no error out. Written out, since a closure for {@link ChangeEmitter.guard} at every hook is dearer. */
  #hook<E>(where: string, body: (event: E) => HookResult | void): (event: E) => HookResult {
    return (event) => {
      try {
        return body(event) ?? undefined;
      } catch (error) {
        this.#emitter.report(error, where);
        return undefined;
      }
    };
  }
}
