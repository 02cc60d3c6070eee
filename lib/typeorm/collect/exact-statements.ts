import { tableOf } from '../entities/columns.js';
import { layoutOf } from '../entities/row-view.js';
import { type AnnouncedStatements, builtKind } from '../rows/announced-statements.js';
import type { OrmColumn, OrmMetadata, OrmQueryRunner } from '../typeorm.interface.js';
import type { ChangeEmitter } from './change-emitter.js';
import { MAX_CHANGES_PER_TABLE } from './transaction-changes.js';

const HEAD = 'WITH "restflow_rows" AS (';
const TAIL = ' RETURNING ';

/** Whether a statement answers rows already, or might: a column may have that name. */
export function hasReturning(sql: string): boolean {
  return /\breturning\b/i.test(sql);
}

/**
 * The statement, which now answers the rows it changed (column i as `c<i>`, at most `limit` of them) and in each the count of
 * all, `restflow_count`.
 */
export function reportingSql(sql: string, columns: readonly OrmColumn[], limit: number): string {
  const names = columns.map(({ databaseName }, i) => `"${databaseName.replaceAll('"', '""')}" AS "c${i}"`);
  return (
    `${HEAD}${sql}${TAIL}${names.join(', ')}) SELECT *, (SELECT count(*)::int FROM "restflow_rows") AS "restflow_count" ` +
    `FROM "restflow_rows" LIMIT ${limit}`
  );
}

/** The statement as it was before {@link reportingSql}; any other text as it is. */
export function originalSql(sql: string): string {
  return sql.startsWith(HEAD) ? sql.slice(HEAD.length, sql.lastIndexOf(TAIL)) : sql;
}

/** Not worth sending for every row: a rule that maps one of these widens. */
const HEAVY = /^(?:jsonb?|bytea|xml|tsvector)$/;

/** The account may change rows but not read them, or the table takes no RETURNING. */
const REFUSALS = new Set(['42501', '0A000']);

interface StructuredResult {
  raw: unknown;
  records: readonly Record<string, unknown>[];
  affected: number;
}

type RunSql = (sql: string) => Promise<unknown>;
type Hydrating = { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };

/**
 * Has bulk statements on PostgreSQL report the rows they changed, without their caller noticing. A statement that cannot be asked,
 * or reports too many, stays one whose rows are unknown.
 */
export class ExactStatements {
  readonly #refused = new Set<string>();

  constructor(
    private readonly emitter: ChangeEmitter,
    private readonly driver: object,
  ) {}

  /** @returns what the statement answers; `undefined` where it is none of those that can be asked, and was not run */
  run(runner: OrmQueryRunner, sql: string, query: RunSql): Promise<unknown> | undefined {
    const kind = builtKind(sql);
    if (kind === undefined || kind === 'insert' || hasReturning(sql)) return undefined;
    const { statements, runners } = this.emitter;
    const { writes } = statements.read(sql);
    const table = writes[0]?.table;
    if (table === undefined || writes.length > 1 || this.#refused.has(table)) return undefined;
    const announced = runners.of(runner).announced.get(table);
    const metadata = announced?.soleStatement(kind);
    if (metadata === undefined || !this.emitter.wants(table)) return undefined;
    return this.#report(runner, announced!, metadata, sql, query);
  }

  async #report(
    runner: OrmQueryRunner,
    announced: AnnouncedStatements,
    metadata: OrmMetadata,
    sql: string,
    query: RunSql,
  ): Promise<unknown> {
    const columns = layoutOf(metadata).columns.filter(({ type }) => !HEAVY.test(String(type)));
    try {
      const result = await query(reportingSql(sql, columns, MAX_CHANGES_PER_TABLE + 1));
      return this.#conceal(result, announced, columns);
    } catch (error) {
      if (!REFUSALS.has(String((error as { code?: unknown } | undefined)?.code))) throw error;
      this.#refused.add(tableOf(metadata));
      this.emitter.outlet.report(error, 'exact statements');
      // In a transaction nothing more is answered until it ends.
      if (this.emitter.runners.isOpen(runner)) throw error;
      return query(sql);
    }
  }

  /** Gives the announced the rows, and the caller what the statement would have answered by itself. */
  #conceal(result: unknown, announced: AnnouncedStatements, columns: readonly OrmColumn[]): unknown {
    const structured = Array.isArray(result) ? undefined : (result as StructuredResult);
    const records = structured?.records ?? (result as Record<string, unknown>[]);
    const affected = Number(records[0]?.['restflow_count'] ?? 0);
    if (affected <= MAX_CHANGES_PER_TABLE)
      announced.rows = records.map(
        (record) => new Map(columns.map((column, i) => [column, this.#valueOf(record, column, i)])),
      );
    const raw = [[], affected];
    return structured === undefined ? raw : Object.assign(structured, { raw, records: [], affected });
  }

  #valueOf(record: Record<string, unknown>, column: OrmColumn, position: number): unknown {
    const value = record[`c${position}`];
    return value === null ? null : (this.driver as Hydrating).prepareHydratedValue(value, column);
  }
}
