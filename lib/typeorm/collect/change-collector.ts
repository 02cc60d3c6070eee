import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { Bracket, type HookKind } from '../rows/announced-statements.js';
import { changesOf, unknownChanges, type RowHook } from '../rows/changes.js';
import { tableOf } from '../entities/columns.js';
import { ExactStatements } from './exact-statements.js';
import { type Answer, both, type CollectorOptions, Gatherer } from './change-emitter.js';
import { OwnTransactions } from '../patches/save-transactions.js';
import { Frame } from './transaction-changes.js';
import { RawTransactions } from '../patches/transactions.js';
import { SqlWatch } from './sql-watch.js';
import { hasUnawaitedHooks, UnawaitedHooks } from '../dialects.js';
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
export class Collector {
  readonly #gatherer: Gatherer;
  readonly #sql: SqlWatch;
  readonly #own: OwnTransactions;
  readonly #raw: RawTransactions;

  constructor(dataSource: OrmDataSource, sink: ChangeSink, options: CollectorOptions) {
    this.#gatherer = new Gatherer(dataSource, sink, options);
    const unawaited = hasUnawaitedHooks(dataSource)
      ? new UnawaitedHooks(dataSource, this.#gatherer, (event) => this.afterQuery(event))
      : undefined;
    this.#sql = new SqlWatch(this.#gatherer, unawaited !== undefined);
    this.#own = new OwnTransactions(dataSource, (subscriber) => subscriber instanceof Collector);
    const isPostgres = (dataSource.options as { type?: unknown }).type === 'postgres';
    const exact =
      isPostgres && options.exactStatements === true
        ? new ExactStatements(this.#gatherer, dataSource.driver)
        : undefined;
    const runs = exact ?? unawaited;
    this.#raw = new RawTransactions(dataSource, {
      ...(runs !== undefined && { run: (runner, sql, query) => runs.run(runner, sql, query) }),
      starting: (start) => this.#own.starting(start),
      beginning: (runner) => void this.#guard('BEGIN', () => this.#gatherer.runners.of(runner).enter()),
      ran: (runner) => void this.#guard('BEGIN', () => this.#gatherer.ran(runner)),
      released: (runner) => void this.#guard('release', () => this.#gatherer.released(runner)),
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
    this.#gatherer.runners.starting(queryRunner);
    // The caller's context can still be reached.
    if (!this.#own.isBeginning) this.#gatherer.runners.of(queryRunner).enter();
  });

  afterTransactionStart = this.#hook('afterTransactionStart', ({ queryRunner }: OrmEvent) => {
    this.#gatherer.runners.of(queryRunner).frames.push(new Frame());
  });

  beforeTransactionCommit = this.#hook('beforeTransactionCommit', ({ queryRunner }: OrmEvent) => {
    const pending = this.#gatherer.runners.of(queryRunner);
    pending.committing = pending.frames.length < 2;
    return pending.committing ? this.#gatherer.offer(queryRunner) : undefined;
  });

  afterTransactionCommit = this.#hook('afterTransactionCommit', ({ queryRunner }: OrmEvent) => {
    if (!queryRunner.isTransactionActive) return this.#gatherer.commit(queryRunner);
    this.#gatherer.runners.of(queryRunner).release();
    return undefined;
  });

  beforeTransactionRollback = this.#hook('beforeTransactionRollback', ({ queryRunner }: OrmEvent) => {
    const pending = this.#gatherer.runners.of(queryRunner);
    if (pending.committing) return this.#gatherer.doubt(pending);
    pending.rollingBack = pending.frames.length < 2;
    // Without a connection, ROLLBACK fails and nothing else is heard of the transaction.
    return pending.rollingBack ? pending.leave() : undefined;
  });

  afterTransactionRollback = this.#hook('afterTransactionRollback', ({ queryRunner }: OrmEvent) =>
    this.#gatherer.rollback(queryRunner, queryRunner.isTransactionActive),
  );

  /** Called when the collector is detached: nothing is sent any more, not even by timers. */
  close(): void {
    this.#raw.close();
    this.#gatherer.close();
  }

  #announce(hook: RowHook, event: OrmEntityEvent): Answer {
    const { metadata, queryRunner, entity, databaseEntity, updatedColumns, updatedRelations } = event;
    const { outlet, runners } = this.#gatherer;
    const pending = runners.of(queryRunner);
    const table = tableOf(metadata);
    // Nobody is told of it, whatever its statements and hooks say.
    if (!this.#gatherer.wants(table)) return undefined;
    let bracket = pending.brackets.get(table);
    let answer: Answer;
    if (bracket?.unconfirmed === true && bracket.durable && !runners.isShared(queryRunner)) {
      // A runner that is one caller's own begins something new: the hooks of the old will not come any more.
      answer = outlet.send(this.#gatherer.settle(pending));
      bracket = undefined;
    } else if (bracket?.unconfirmed === false && bracket.stale) bracket = undefined;
    if (bracket === undefined) pending.brackets.set(table, (bracket = new Bracket()));
    bracket.announce(KINDS[hook], entity, metadata, updatedColumns, updatedRelations, databaseEntity);
    return both(answer, this.#lookUp(hook, event));
  }

  /** A row that goes, or columns that are about to be written: what they were is lost with the statement. */
  #lookUp(hook: RowHook, event: OrmEntityEvent): Answer {
    return hook === 'update' || hook === 'remove'
      ? this.#gatherer.lookups.before(event, hook === 'remove')
      : undefined;
  }

  #confirm(hook: RowHook, event: OrmEntityEvent): Answer {
    const { queryRunner, metadata } = event;
    const { runners } = this.#gatherer;
    const pending = runners.of(queryRunner);
    const table = tableOf(metadata);
    const bracket = pending.brackets.get(table);
    const changes = this.#gatherer.wants(table) ? this.#changesOf(hook, event, bracket) : [];
    if (bracket?.confirm(KINDS[hook]) === true) pending.brackets.delete(table);
    // On a shared runner another caller's transaction may have begun since the statement ran by itself.
    const ranAlone = bracket?.durable === true && runners.isShared(queryRunner);
    const durable = ranAlone || !queryRunner.isTransactionActive;
    return this.#gatherer.deliver(pending, changes, durable, queryRunner);
  }

  #changesOf(hook: RowHook, event: OrmEntityEvent, bracket: Bracket | undefined): Change[] {
    const { tables, returnsRows } = this.#gatherer.catalogue;
    try {
      const changes = changesOf(hook, event, bracket, tables, returnsRows);
      this.#gatherer.lookups.recall(event, changes[0]);
      return changes;
    } catch (error) {
      this.#gatherer.outlet.report(error, `after ${hook}`);
      return unknownChanges(tableOf(event.metadata), tables, true, false);
    }
  }

  #entityHook(when: 'before' | 'after', hook: RowHook): (event: OrmEntityEvent) => Answer {
    return this.#hook(`${when} ${hook}`, (event: OrmEntityEvent) =>
      when === 'before' ? this.#announce(hook, event) : this.#confirm(hook, event),
    );
  }

  /** A hook, out of which nothing comes but its answer. */
  #hook<E>(where: string, body: (event: E) => Answer | void): (event: E) => Answer {
    return (event) => {
      try {
        return body(event) ?? undefined;
      } catch (error) {
        this.#gatherer.outlet.report(error, where);
        return undefined;
      }
    };
  }

  #guard(where: string, hook: () => Answer | void): Answer {
    return this.#gatherer.outlet.guard(where, hook);
  }
}
