import type { OrmColumn } from '../typeorm.interface.js';

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
