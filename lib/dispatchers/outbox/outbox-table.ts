import { CacheConfigurationError } from '../../common/errors.js';
import type { InvalidationJob } from '../../invalidation/jobs/dispatcher.interface.js';
import type { QueueMeasurement } from '../queue-watch.js';
import { dialectOf, type OutboxSql, typeOf } from '../../typeorm/dialects.js';

/** Runs SQL, in a transaction or outside of one. */
export interface SqlRunner {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/** The parts of a DataSource that the outbox uses. */
export interface OutboxDataSource extends SqlRunner {
  readonly options: { readonly type: string; readonly schema?: string };
  readonly isInitialized: boolean;
  readonly driver: { readonly queryRunner?: { readonly isTransactionActive: boolean } };
  createQueryRunner(): SqlRunner & {
    startTransaction(): Promise<void>;
    commitTransaction(): Promise<void>;
    rollbackTransaction(): Promise<void>;
    release(): Promise<void>;
  };
}

/** A job taken from the outbox. */
export interface Claim {
  readonly id: string;
  /** JSON. */
  readonly job: string;
  readonly attempts: number;
}

/** Rows of one INSERT. */
const ROWS = 100;

/** The SQL of the outbox, on one database. */
export class OutboxTable {
  readonly #dialect: OutboxSql;
  readonly #path: string;

  constructor(
    readonly dataSource: OutboxDataSource,
    private readonly name: string,
  ) {
    this.#dialect = outboxSqlOf(dataSource);
    const { schema } = dataSource.options;
    const parts = this.#dialect.family === 'postgres' && schema !== undefined ? [schema, name] : [name];
    this.#path = parts.map(this.#dialect.quote).join('.');
  }

  /** Statements that create the table if it does not exist. */
  get creation(): string[] {
    const { text, family, quote } = this.#dialect;
    const index = `INDEX ${family === 'mysql' ? '' : 'IF NOT EXISTS '}${quote(`${this.name}_due`)}`;
    const columns =
      `id varchar(36) PRIMARY KEY, namespace varchar(190) NOT NULL, job ${text} NOT NULL, ` +
      `attempts int NOT NULL, due_at bigint NOT NULL, dead_at bigint, error ${text}`;
    const due = '(namespace, dead_at, due_at)';
    // MySQL has no CREATE INDEX IF NOT EXISTS.
    if (family === 'mysql') return [`CREATE TABLE IF NOT EXISTS ${this.#path} (${columns}, ${index} ${due})`];
    return [
      `CREATE TABLE IF NOT EXISTS ${this.#path} (${columns})`,
      `CREATE ${index} ON ${this.#path} ${due}`,
    ];
  }

  get removal(): string[] {
    return [`DROP TABLE IF EXISTS ${this.#path}`];
  }

  /** Idempotent: the sender inserts the same jobs again if the first response was lost. */
  async insert(runner: SqlRunner, jobs: readonly InvalidationJob[]): Promise<void> {
    for (let from = 0; from < jobs.length; from += ROWS) {
      const rows = jobs
        .slice(from, from + ROWS)
        .map((job) => [job.id, job.namespace, JSON.stringify(job), 0, Date.now()]);
      const values = rows.map(
        (row, r) => `(${row.map((_, c) => this.#at(r * row.length + c + 1)).join(', ')})`,
      );
      const into = `INSERT INTO ${this.#path} (id, namespace, job, attempts, due_at) VALUES`;
      await runner.query(`${into} ${values.join(', ')} ${this.#dialect.ifNew}`, rows.flat());
    }
  }

  /** Claims jobs that are due. No other relay gets them before `until`. */
  async claim(namespace: string, limit: number, until: number): Promise<readonly Claim[]> {
    const due =
      `SELECT id, job, attempts FROM ${this.#path} ` +
      `WHERE namespace = ${this.#at(1)} AND dead_at IS NULL AND due_at <= ${this.#at(2)} ORDER BY due_at LIMIT ${limit}`;
    const parameters = [namespace, Date.now()];
    if (this.#dialect.family === 'sqlite') return this.#take(this.dataSource, due, parameters, until);
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.startTransaction();
      const claims = await this.#take(runner, `${due} FOR UPDATE SKIP LOCKED`, parameters, until);
      await runner.commitTransaction();
      return claims;
    } catch (error) {
      await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** Counts the jobs of a namespace; `undefined` while a transaction is open on the only connection. */
  async measure(namespace: string): Promise<QueueMeasurement | undefined> {
    const { isInitialized, driver } = this.dataSource;
    if (!isInitialized || driver.queryRunner?.isTransactionActive === true) return undefined;
    const [row] = (await this.dataSource.query(
      `SELECT SUM(CASE WHEN dead_at IS NULL THEN 1 ELSE 0 END) AS depth, ` +
        `SUM(CASE WHEN dead_at IS NULL THEN 0 ELSE 1 END) AS dead, ` +
        `MIN(CASE WHEN dead_at IS NULL THEN due_at END) AS oldest FROM ${this.#path} WHERE namespace = ${this.#at(1)}`,
      [namespace],
    )) as Record<'depth' | 'dead' | 'oldest', unknown>[];
    const oldest = row?.oldest ?? undefined;
    return {
      depth: Number(row?.depth ?? 0),
      dead: Number(row?.dead ?? 0),
      oldestAt: oldest === undefined ? undefined : Number(oldest),
    };
  }

  /** Removes finished jobs. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.dataSource.query(`DELETE FROM ${this.#path} WHERE id IN (${this.#list(ids, 1)})`, [...ids]);
  }

  /** Schedules a failed job for another attempt. */
  async postpone(id: string, dueAt: number, error: string): Promise<void> {
    await this.#set(id, 'due_at', dueAt, error);
  }

  /** Marks a job as dead: it stays in the table and is not claimed again. */
  async bury(id: string, error: string): Promise<void> {
    await this.#set(id, 'dead_at', Date.now(), error);
  }

  async #take(
    runner: SqlRunner,
    due: string,
    parameters: unknown[],
    until: number,
  ): Promise<readonly Claim[]> {
    const claims = (await runner.query(due, parameters)) as Claim[];
    if (claims.length === 0) return claims;
    await runner.query(
      `UPDATE ${this.#path} SET attempts = attempts + 1, due_at = ${this.#at(1)} ` +
        `WHERE id IN (${this.#list(claims, 2)})`,
      [until, ...claims.map(({ id }) => id)],
    );
    return claims;
  }

  async #set(id: string, column: string, at: number, error: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE ${this.#path} SET ${column} = ${this.#at(1)}, error = ${this.#at(2)} WHERE id = ${this.#at(3)}`,
      [at, error, id],
    );
  }

  #list(items: readonly unknown[], first: number): string {
    return items.map((_, i) => this.#at(first + i)).join(', ');
  }

  #at(n: number): string {
    return this.#dialect.parameter(n);
  }
}

export function hasDialect(dataSource: object): boolean {
  return dialectOf(dataSource).outbox !== undefined;
}

/** @throws CacheConfigurationError for a database that the outbox does not support */
function outboxSqlOf(dataSource: object): OutboxSql {
  const { outbox } = dialectOf(dataSource);
  if (outbox !== undefined) return outbox;
  throw new CacheConfigurationError(
    'OUTBOX_DATABASE',
    `The outbox works on PostgreSQL, MySQL, MariaDB and SQLite, not on '${typeOf(dataSource)}'. Use another dispatcher for rules on this database.`,
  );
}
