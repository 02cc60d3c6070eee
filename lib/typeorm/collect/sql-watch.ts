import type { Change } from '../../invalidation/change.interface.js';
import { builtKind } from '../rows/announced-statements.js';
import { followingChanges, unknownChanges } from '../rows/changes.js';
import { type HookResult, both, type ChangeEmitter } from './change-emitter.js';
import { originalSql } from './exact-statements.js';
import type { Statement } from '../sql/statement-reader.js';
import { assignedColumns } from '../sql/written-tables.js';
import type { OrmQueryEvent, OrmQueryRunner } from '../typeorm.interface.js';

/** What SQL tells that no entity hook does: raw statements, silent writes, transactions begun by hand, failures. */
export class SqlWatch {
  readonly #emitter: ChangeEmitter;
  readonly #isUnawaited: boolean;

  constructor(emitter: ChangeEmitter, isUnawaited: boolean) {
    this.#emitter = emitter;
    this.#isUnawaited = isUnawaited;
  }

  see(event: OrmQueryEvent): HookResult {
    const answer = this.#see(event);
    if (answer === undefined || !this.#isUnawaited) return answer;
    this.#emitter.runners.of(event.queryRunner).keepHookResult(event.query, answer);
    return answer;
  }

  #see(event: OrmQueryEvent): HookResult {
    const { statements, outlet, runners } = this.#emitter;
    const { queryRunner, success } = event;
    const query = originalSql(event.query);
    const statement = statements.read(query);
    const { control, writes } = statement;
    if (outlet.lookups.size > 0) runners.of(queryRunner).statements++;
    if (control === undefined && !this.#isUnawaited && runners.isOpen(queryRunner))
      outlet.queryInOpenTransaction();
    const isCut = statements.commitsImplicitly(statement) && !statement.commits;
    const cut = isCut ? this.#emitter.cut(queryRunner) : undefined;
    if (success === false) return both(cut, this.#failed(event, statement));
    if (writes.length === 0 && control === undefined) return cut;
    if (control === 'begin') return both(cut, this.#began(event, query, statement));
    const answer = both(cut, this.#wrote(queryRunner, query, statement));
    return control === undefined ? answer : both(answer, this.#ended(event, statement));
  }

  /** It may have committed another transaction before; whether what it wrote is of that one or this, it does not say. */
  #began(event: OrmQueryEvent, query: string, statement: Statement): HookResult {
    const { queryRunner } = event;
    let answer: HookResult;
    if (statement.commits) {
      const ended = { control: 'commit', autocommit: undefined } as const;
      answer = both(this.#wrote(queryRunner, query, statement), this.#ended(event, ended));
    }
    this.#emitter.runners.begun(queryRunner, statement.autocommit === 'off');
    return both(answer, this.#wrote(queryRunner, query, statement));
  }

  /** SQL that a hook announced waits for that hook; of any other, nothing but the table is known. */
  #wrote(runner: OrmQueryRunner, sql: string, statement: Statement): HookResult {
    if (statement.writes.length === 0) return undefined;
    const { statements, runners } = this.#emitter;
    const transaction = runners.of(runner);
    const durable = runners.isAutocommit(runner);
    const built = builtKind(sql);
    const changes: Change[] = [];
    for (const [position, { table, kind, truncateCascade }] of statement.writes.entries()) {
      const announced = transaction.announced.get(table);
      const isAnnounced = position === 0 && built === kind && announced?.covers(built, sql) === true;
      if (isAnnounced) {
        if (durable) this.#emitter.awaitHook(announced, transaction);
        // Hooks name the columns that an UPDATE writes, but not those that an upsert does.
        if (kind !== 'insert' || !sql.includes(' UPDATE ')) continue;
      } else if (this.#emitter.wants(table)) {
        const deletes = kind === 'remove' || kind === 'mixed';
        changes.push(...unknownChanges(table, statements.tables, deletes, truncateCascade));
      }
      if (this.#movesKey(sql, table)) changes.push(...followingChanges(table, statements.tables));
    }
    return this.#emitter.deliver(transaction, changes, durable);
  }

  #movesKey(sql: string, table: string): boolean {
    const { followers, referenced } = this.#emitter.statements.tables;
    if (!followers.has(table)) return false;
    const assigned = assignedColumns(sql);
    return [...referenced.get(table)!].some(({ databaseName }) => assigned.has(databaseName.toLowerCase()));
  }

  #failed({ queryRunner, error }: OrmQueryEvent, { control, writes }: Statement): HookResult {
    const { statements, runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    if (control === 'commit') return this.#emitter.doubt(transaction);
    // Its connection is lost, and the transaction with it.
    if (control === 'rollback') void transaction.leave();
    if (statements.isRolledBack(error)) transaction.mayBeEnded ||= runners.isOpen(queryRunner);
    const durable = runners.isAutocommit(queryRunner);
    const changes = this.#emitter.settle(transaction);
    for (const { table } of writes) {
      transaction.announced.delete(table);
      if (durable && isConnectionLoss(error))
        changes.push(...unknownChanges(table, statements.tables, true, false));
    }
    return this.#emitter.deliver(transaction, changes, durable);
  }

  #ended(
    { queryRunner, rawResults }: OrmQueryEvent,
    { control, autocommit }: Pick<Statement, 'control' | 'autocommit'>,
  ): HookResult {
    if (control === 'savepoint') return undefined;
    const { runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    if (autocommit === 'on') transaction.hasNoAutocommit = false;
    // PostgreSQL answers ROLLBACK to the COMMIT of a failed transaction.
    const undone =
      control === 'rollback' || (rawResults as { command?: unknown } | undefined)?.command === 'ROLLBACK';
    if (transaction.isRaw) {
      const answer = undone ? this.#emitter.rollback(queryRunner, false) : this.#emitter.commit(queryRunner);
      runners.rawEnded(queryRunner, transaction);
      return answer;
    }
    if (control === 'rollback') {
      // By hand inside TypeORM's own transaction: what follows may be durable at once.
      transaction.mayBeEnded ||= transaction.levels.length > 0 && !transaction.isRollingBack;
      return undefined;
    }
    if (undone) {
      transaction.announced.clear();
      transaction.take();
      return undefined;
    }
    // A COMMIT by hand inside TypeORM's own transaction. Kept as well, in case it was not what it looked like.
    return transaction.isCommitting ? undefined : this.#emitter.cut(queryRunner);
  }
}

/** An error after which it is unknown whether the statement took effect: the connection broke, not the statement. */
function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return /^(?:08|57P)|ECONN|EPIPE|ETIMEDOUT|PROTOCOL_|connection|terminat|socket|timeout/i.test(
    `${String(code)} ${String(message)}`,
  );
}
