import { tableOf } from '../entities/columns.js';
import { layoutOf } from '../entities/row-view.js';
import { type AnnouncedStatements, builtKind } from '../rows/announced-statements.js';
import type { OrmColumn, OrmMetadata, OrmQueryRunner, ReportedRow } from '../typeorm.interface.js';
import type { ChangeEmitter } from './change-emitter.js';
import { MAX_CHANGES_PER_TABLE } from './transaction-changes.js';

/** Left out, since they are large: a rule that maps one of these widens. */
const LARGE = /^(?:jsonb?|bytea|xml|tsvector)$/;
/** The account may not read the table, or the table does not support RETURNING. */
const REFUSALS = new Set(['42501', '0A000']);

/** The result of `query()` where its caller asked for a structured one. */
interface StructuredResult {
  raw: unknown;
  records: readonly Row[];
  affected: number;
}

type Row = Readonly<Record<string, unknown>>;
type RunSql = (sql: string) => Promise<unknown>;
type Hydrating = { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };

/**
 * Lets bulk statements on PostgreSQL report the rows that they change; their caller sees no difference. The rows of a statement that
 * cannot report them, or too many, stay unknown.
 *
 * Relies on TypeORM: query builders run their statement by `queryRunner.query(sql, …)`, which returns rows, or a structured result
 * with `raw`, `records` and `affected`. Any other result is passed on as it is and ends exact statements for the table.
 */
export class ExactStatements {
  readonly #refused = new Set<string>();

  constructor(
    private readonly emitter: ChangeEmitter,
    private readonly driver: object,
    private readonly isOn: () => boolean,
  ) {}

  /** @returns the result of the statement; `undefined` where it cannot report rows and was not run */
  run(runner: OrmQueryRunner, sql: string, query: RunSql): Promise<unknown> | undefined {
    if (!this.isOn()) return undefined;
    const kind = builtKind(sql);
    if (kind === undefined || kind === 'insert' || hasReturning(sql)) return undefined;
    const { statements, runners } = this.emitter;
    const { writes } = statements.read(sql);
    const first = writes[0]?.table;
    if (first === undefined || this.#refused.has(first)) return undefined;
    const named = statements.tables.related(first);
    if (!writes.every((write) => named.includes(write.table))) return undefined;
    const { announced: all } = runners.of(runner);
    const announced = named.map((table) => all.get(table)).find((one) => one !== undefined);
    const metadata = announced?.soleStatement(kind);
    return metadata && this.#report(runner, announced!, metadata, sql, query);
  }

  async #report(
    runner: OrmQueryRunner,
    announced: AnnouncedStatements,
    metadata: OrmMetadata,
    sql: string,
    query: RunSql,
  ): Promise<unknown> {
    const columns = layoutOf(metadata).columns.filter(({ type }) => !LARGE.test(String(type)));
    let result: unknown;
    try {
      result = await query(reportingSql(sql, columns, MAX_CHANGES_PER_TABLE + 1));
    } catch (error) {
      if (!REFUSALS.has(String((error as { code?: unknown } | undefined)?.code))) throw error;
      this.#refuse(metadata, error);
      // The error has aborted an open transaction: the statement cannot be repeated in it.
      if (this.emitter.runners.isOpen(runner)) throw error;
      return query(sql);
    }
    const structured = Array.isArray(result) ? undefined : (result as StructuredResult | undefined);
    const rows = structured === undefined ? result : structured.records;
    if (!Array.isArray(rows)) {
      this.#refuse(metadata, new TypeError('query() of the query runner returned no rows'));
      return result;
    }
    const affected = Number((rows[0] as Row | undefined)?.['restflow_count'] ?? 0);
    if (affected <= MAX_CHANGES_PER_TABLE) announced.rows = this.#reportedRows(rows, metadata, columns);
    const raw = [[], affected];
    return structured === undefined ? raw : Object.assign(structured, { raw, records: [], affected });
  }

  #refuse(metadata: OrmMetadata, error: unknown): void {
    this.#refused.add(tableOf(metadata));
    this.emitter.report(error, 'exact statements');
  }

  /** @returns `undefined` where a value cannot be read: the statement has succeeded, so no error may leave here */
  #reportedRows(
    rows: readonly Row[],
    metadata: OrmMetadata,
    columns: readonly OrmColumn[],
  ): ReportedRow[] | undefined {
    const driver = this.driver as Hydrating;
    const valueOf = (value: unknown, column: OrmColumn): unknown =>
      value === null ? null : driver.prepareHydratedValue(value, column);
    try {
      return rows.map((row) => new Map(columns.map((column, i) => [column, valueOf(row[`c${i}`], column)])));
    } catch (error) {
      this.#refuse(metadata, error);
      return undefined;
    }
  }
}

const HEAD = 'WITH "restflow_rows" AS (';
const TAIL = ' RETURNING ';

/**
 * Wraps a statement so that it returns the rows it changed, at most `limit` of them, with column i as `c<i>` and in each row the
 * count of all as `restflow_count`.
 */
function reportingSql(sql: string, columns: readonly OrmColumn[], limit: number): string {
  const names = columns.map(({ databaseName }, i) => `"${databaseName.replaceAll('"', '""')}" AS "c${i}"`);
  return (
    `${HEAD}${sql}${TAIL}${names.join(', ')}) SELECT *, (SELECT count(*)::int FROM "restflow_rows") AS "restflow_count" ` +
    `FROM "restflow_rows" LIMIT ${limit}`
  );
}

/** The statement inside of {@link reportingSql}; any other text as it is. */
export function originalSql(sql: string): string {
  return sql.startsWith(HEAD) ? sql.slice(HEAD.length, sql.lastIndexOf(TAIL)) : sql;
}

/** True if a statement returns rows to its caller already, or may: a column can have that name. */
function hasReturning(sql: string): boolean {
  return /\breturning\b/i.test(sql);
}
