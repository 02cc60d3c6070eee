import type { Change } from '../../invalidation/change.interface.js';
import { builtKind } from '../rows/announced-statements.js';
import { followingChanges, unknownChanges } from '../rows/changes.js';
import type { Statement } from '../sql/statement-reader.js';
import { openSavepoints } from '../sql/transaction-control.js';
import { assignedColumns } from '../sql/written-tables.js';
import type { OrmQueryEvent, OrmQueryRunner } from '../typeorm.interface.js';
import { both, type ChangeEmitter, type HookResult } from './change-emitter.js';
import { originalSql } from './exact-statements.js';

/** Reads in statements what no entity hook reports: raw SQL, writes without hooks, transactions begun by text, failures. */
export class SqlWatch {
  readonly #emitter: ChangeEmitter;
  readonly #isUnawaited: boolean;

  constructor(emitter: ChangeEmitter, isUnawaited: boolean) {
    this.#emitter = emitter;
    this.#isUnawaited = isUnawaited;
  }

  afterQuery(event: OrmQueryEvent): HookResult {
    const result = this.#afterQuery(event);
    if (result === undefined || !this.#isUnawaited) return result;
    this.#emitter.runners.of(event.queryRunner).keepHookResult(event.query, result);
    return result;
  }

  #afterQuery(event: OrmQueryEvent): HookResult {
    const { statements, runners } = this.#emitter;
    const { queryRunner, success } = event;
    // Another collector of the DataSource may have wrapped the statement.
    const query = originalSql(event.query);
    const read = statements.read(query);
    const { writes } = read;
    const control = read.control === 'savepoint' ? this.#savepointControl(event, query) : read.control;
    const statement = control === read.control ? read : { ...read, control };
    runners.of(queryRunner).statements++;
    if (control === undefined && !this.#isUnawaited && runners.isOpen(queryRunner))
      this.#emitter.queryInOpenTransaction();
    const commitsImplicitly = statements.commitsImplicitly(statement) && !statement.commits;
    const sent = commitsImplicitly ? this.#emitter.committedByStatement(queryRunner) : undefined;
    if (success === false) return both(sent, this.#failed(event, statement));
    if (writes.length === 0 && control === undefined) return sent;
    if (control === 'begin') return both(sent, this.#began(event, query, statement));
    const wrote = both(sent, this.#wrote(queryRunner, query, statement));
    return control === undefined ? wrote : both(wrote, this.#ended(event, statement));
  }

  /** The effect of a text with savepoints: on SQLite the outermost one begins a transaction, and its release commits it. */
  #savepointControl({ queryRunner, success }: OrmQueryEvent, query: string): Statement['control'] {
    const { statements, runners } = this.#emitter;
    if (!statements.savepointBegins || success === false) return 'savepoint';
    const transaction = runners.of(queryRunner);
    if (transaction.isRaw ? transaction.savepoints === undefined : queryRunner.isTransactionActive)
      return 'savepoint';
    const before = transaction.savepoints ?? [];
    transaction.savepoints = openSavepoints(query, before);
    if (before.length === 0) return transaction.savepoints.length > 0 ? 'begin' : 'savepoint';
    return transaction.savepoints.length > 0 ? 'savepoint' : 'commit';
  }

  /**
   * A text began a transaction, and may have committed another one before it (`COMMIT; BEGIN`). Its own writes count for both, since
   * it is not read in which of them they were made.
   */
  #began(event: OrmQueryEvent, query: string, statement: Statement): HookResult {
    const { queryRunner } = event;
    let sent: HookResult;
    if (statement.commits) {
      const ended = { control: 'commit', autocommit: undefined } as const;
      sent = both(this.#wrote(queryRunner, query, statement), this.#ended(event, ended));
    }
    this.#emitter.runners.begun(queryRunner, statement.autocommit === 'off');
    return both(sent, this.#wrote(queryRunner, query, statement));
  }

  /** A statement that a hook announced waits for that hook. Of any other, only the table is known. */
  #wrote(runner: OrmQueryRunner, sql: string, statement: Statement): HookResult {
    if (statement.writes.length === 0) return undefined;
    const { statements, runners } = this.#emitter;
    const transaction = runners.of(runner);
    const isDurable = runners.isAutocommit(runner);
    const built = builtKind(sql);
    const changes: Change[] = [];
    // Its table may have other names, partitions and parents: the change of the hook reaches them.
    const named = statements.tables.related(statement.writes[0]!.table);
    const announced =
      built && named.map((table) => transaction.announced.get(table)).find((one) => one?.covers(built, sql));
    for (const { table, kind, truncateCascade } of statement.writes) {
      if (announced !== undefined && kind === built && named.includes(table)) {
        if (isDurable) this.#emitter.awaitHook(announced, transaction);
        // Hooks name the columns that an UPDATE assigns, but not those of an upsert.
        if (kind !== 'insert' || !sql.includes(' UPDATE ')) continue;
      } else if (this.#emitter.wants(table, this.#emitter.interest)) {
        const deletes = kind === 'remove' || kind === 'mixed';
        changes.push(...unknownChanges(table, statements.tables, deletes, truncateCascade));
      }
      if (this.#movesKey(sql, table)) changes.push(...followingChanges(table, statements.tables));
    }
    return this.#emitter.deliver(transaction, changes, isDurable);
  }

  /** True if it assigns a column that foreign keys with ON UPDATE refer to. */
  #movesKey(sql: string, table: string): boolean {
    const { tables } = this.#emitter.statements;
    if (tables.followersOf(table).length === 0) return false;
    const assigned = assignedColumns(sql);
    return [...tables.referencedOf(table)].some((column) => assigned.has(column.toLowerCase()));
  }

  #failed({ queryRunner, error }: OrmQueryEvent, { control, writes }: Statement): HookResult {
    const { statements, runners } = this.#emitter;
    const transaction = runners.of(queryRunner);
    if (control === 'commit') return this.#emitter.commitFailed(transaction);
    // The connection is lost, and the transaction with it.
    if (control === 'rollback') void transaction.leaveContext();
    if (statements.isRolledBack(error)) transaction.mayBeEnded ||= runners.isOpen(queryRunner);
    const isDurable = runners.isAutocommit(queryRunner);
    const changes = this.#emitter.takeUnconfirmed(transaction);
    for (const { table } of writes) {
      transaction.announced.delete(table);
      if (isDurable && isConnectionLoss(error))
        changes.push(...unknownChanges(table, statements.tables, true, false));
    }
    return this.#emitter.deliver(transaction, changes, isDurable);
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
    const isUndone =
      control === 'rollback' || (rawResults as { command?: unknown } | undefined)?.command === 'ROLLBACK';
    if (transaction.isRaw) {
      const sent = isUndone
        ? this.#emitter.rolledBack(queryRunner, false)
        : this.#emitter.committed(queryRunner);
      runners.rawEnded(queryRunner, transaction);
      return sent;
    }
    if (control === 'rollback') {
      // Sent by hand inside TypeORM's own transaction: later statements may be durable at once.
      transaction.mayBeEnded ||= transaction.levels.length > 0 && !transaction.isRollingBack;
      return undefined;
    }
    if (isUndone) {
      transaction.announced.clear();
      transaction.take();
      return undefined;
    }
    // A COMMIT by hand inside TypeORM's own transaction. The changes are kept as well, in case the text was misread.
    return transaction.isCommitting ? undefined : this.#emitter.committedByStatement(queryRunner);
  }
}

/** An error after which it is unknown whether the statement took effect: the connection broke, not the statement. */
function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return /^(?:08|57P)|ECONN|EPIPE|ETIMEDOUT|PROTOCOL_|connection|terminat|socket|timeout/i.test(
    `${String(code)} ${String(message)}`,
  );
}
