import type { Change } from '../../invalidation/change.interface.js';
import { builtBy } from '../rows/announced-statements.js';
import { followingChanges, unknownChanges } from '../rows/changes.js';
import { type Answer, both, type Gatherer } from './change-emitter.js';
import { originalSql } from './exact-statements.js';
import { assignedColumns, isConnectionLoss, isRolledBack, type Statement } from '../sql/written-tables.js';
import type { OrmQueryEvent, OrmQueryRunner } from '../typeorm.interface.js';

/** What SQL tells that no entity hook does: raw statements, silent writes, transactions begun by hand, failures. */
export class SqlWatch {
  readonly #gatherer: Gatherer;
  readonly #isUnawaited: boolean;

  constructor(gatherer: Gatherer, isUnawaited: boolean) {
    this.#gatherer = gatherer;
    this.#isUnawaited = isUnawaited;
  }

  see(event: OrmQueryEvent): Answer {
    const answer = this.#see(event);
    if (answer === undefined || !this.#isUnawaited) return answer;
    this.#gatherer.runners.of(event.queryRunner).answer(event.query, answer);
    return answer;
  }

  #see(event: OrmQueryEvent): Answer {
    const { catalogue, outlet, runners } = this.#gatherer;
    const { queryRunner, success } = event;
    const query = originalSql(event.query);
    const statement = catalogue.read(query);
    const { control, writes } = statement;
    if (outlet.lookups.size > 0) runners.of(queryRunner).statements++;
    if (control === undefined && !this.#isUnawaited && runners.isOpen(queryRunner))
      outlet.queryInOpenTransaction();
    const isCut = catalogue.commitsImplicitly(statement) && !statement.commits;
    const cut = isCut ? this.#gatherer.cut(queryRunner) : undefined;
    if (success === false) return both(cut, this.#failed(event, statement));
    if (writes.length === 0 && control === undefined) return cut;
    if (control === 'begin') return both(cut, this.#began(event, query, statement));
    const answer = both(cut, this.#wrote(queryRunner, query, statement));
    return control === undefined ? answer : both(answer, this.#ended(event, statement));
  }

  /** It may have committed another transaction before; whether what it wrote is of that one or this, it does not say. */
  #began(event: OrmQueryEvent, query: string, statement: Statement): Answer {
    const { queryRunner } = event;
    let answer: Answer;
    if (statement.commits) {
      const ended = { control: 'commit', autocommit: undefined } as const;
      answer = both(this.#wrote(queryRunner, query, statement), this.#ended(event, ended));
    }
    this.#gatherer.runners.begun(queryRunner, statement.autocommit === 'off');
    return both(answer, this.#wrote(queryRunner, query, statement));
  }

  /** SQL that a hook announced waits for that hook; of any other, nothing but the table is known. */
  #wrote(runner: OrmQueryRunner, sql: string, statement: Statement): Answer {
    if (statement.writes.length === 0) return undefined;
    const { catalogue, runners } = this.#gatherer;
    const pending = runners.of(runner);
    const durable = runners.isAutocommit(runner);
    const built = builtBy(sql);
    const changes: Change[] = [];
    for (const [position, { table, kind, truncateCascade }] of statement.writes.entries()) {
      const bracket = pending.brackets.get(table);
      const isAnnounced = position === 0 && built === kind && bracket?.covers(built, sql) === true;
      if (isAnnounced) {
        if (durable) this.#gatherer.awaitHook(bracket, pending);
        // Hooks name the columns that an UPDATE writes, but not those that an upsert does.
        if (kind !== 'insert' || !sql.includes(' UPDATE ')) continue;
      } else if (this.#gatherer.wants(table)) {
        const deletes = kind === 'remove' || kind === 'mixed';
        changes.push(...unknownChanges(table, catalogue.tables, deletes, truncateCascade));
      }
      if (this.#movesKey(sql, table)) changes.push(...followingChanges(table, catalogue.tables));
    }
    return this.#gatherer.deliver(pending, changes, durable);
  }

  #movesKey(sql: string, table: string): boolean {
    const { followers, referenced } = this.#gatherer.catalogue.tables;
    if (!followers.has(table)) return false;
    const assigned = assignedColumns(sql);
    return [...referenced.get(table)!].some(({ databaseName }) => assigned.has(databaseName.toLowerCase()));
  }

  #failed({ queryRunner, error }: OrmQueryEvent, { control, writes }: Statement): Answer {
    const { catalogue, runners } = this.#gatherer;
    const pending = runners.of(queryRunner);
    if (control === 'commit') return this.#gatherer.doubt(pending);
    // Its connection is lost, and the transaction with it.
    if (control === 'rollback') void pending.leave();
    if (isRolledBack(error)) pending.cut ||= runners.isOpen(queryRunner);
    const durable = runners.isAutocommit(queryRunner);
    const changes = this.#gatherer.settle(pending);
    for (const { table } of writes) {
      pending.brackets.delete(table);
      if (durable && isConnectionLoss(error))
        changes.push(...unknownChanges(table, catalogue.tables, true, false));
    }
    return this.#gatherer.deliver(pending, changes, durable);
  }

  #ended(
    { queryRunner, rawResults }: OrmQueryEvent,
    { control, autocommit }: Pick<Statement, 'control' | 'autocommit'>,
  ): Answer {
    if (control === 'savepoint') return undefined;
    const { runners } = this.#gatherer;
    const pending = runners.of(queryRunner);
    if (autocommit === 'on') pending.manual = false;
    // PostgreSQL answers ROLLBACK to the COMMIT of a failed transaction.
    const undone =
      control === 'rollback' || (rawResults as { command?: unknown } | undefined)?.command === 'ROLLBACK';
    if (pending.raw) {
      const answer = undone
        ? this.#gatherer.rollback(queryRunner, false)
        : this.#gatherer.commit(queryRunner);
      runners.rawEnded(queryRunner, pending);
      return answer;
    }
    if (control === 'rollback') {
      // By hand inside TypeORM's own transaction: what follows may be durable at once.
      pending.cut ||= pending.frames.length > 0 && !pending.rollingBack;
      return undefined;
    }
    if (undone) {
      pending.brackets.clear();
      pending.take();
      return undefined;
    }
    // A COMMIT by hand inside TypeORM's own transaction. Kept as well, in case it was not what it looked like.
    return pending.committing ? undefined : this.#gatherer.cut(queryRunner);
  }
}
