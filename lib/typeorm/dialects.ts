/** SQL that the outbox writes. */
export interface OutboxSql {
  readonly family: 'postgres' | 'mysql' | 'sqlite';
  quote(name: string): string;
  /** The placeholder of the nth parameter, from 1. */
  parameter(n: number): string;
  /** The type of a text of any length. */
  readonly text: string;
  /** Suffix of an INSERT that skips rows whose `id` exists. */
  readonly ifNew: string;
}

/** How TypeORM 0.3 calls `afterQuery` of a driver. TypeORM 1 awaits it for every driver. */
type QueryHooksOf03 = 'awaited' | 'unawaited' | 'unawaited, not called for errors';

/** The differences between databases that this library depends on. Everything else reads them here. */
export interface Dialect {
  /** A backslash in a string literal escapes the next character: `'it\'s'`. */
  readonly hasBackslashEscapes: boolean;
  /** CREATE, ALTER, TRUNCATE and the like commit the open transaction. */
  readonly commitsImplicitly: boolean;
  /** A failed statement aborts the transaction: nothing else runs in it until a rollback, at least to a savepoint. */
  readonly abortsOnError: boolean;
  /** Error code that reports a rollback of the whole transaction. */
  readonly rolledBackCode?: string;
  /** An outermost SAVEPOINT begins a transaction, and its RELEASE commits it. */
  readonly savepointBegins: boolean;
  /**
   * How rows are read that a statement is about to change: under the lock that the statement takes anyway, or by a plain read where a
   * write fails that follows an outdated one. Left out for databases that only one process has.
   */
  readonly beforeImage?: 'for_no_key_update' | 'pessimistic_write' | 'read';
  /** A bulk statement can report the rows that it changed: `WITH rows AS (UPDATE … RETURNING …) SELECT …`. */
  readonly canReportRows: boolean;
  /** A decimal without a scale has no fraction, and a time without a precision neither. */
  readonly dropsFractions: boolean;
  /** Milliseconds to which a `datetime` is rounded, whatever its precision. SQL Server counts three-hundredths of a second. */
  readonly datetimeStep?: number;
  readonly queryHooksOf03: QueryHooksOf03;
  /** Partitions and inherited tables have names of their own, in the catalogue `pg_inherits`. */
  readonly hasTableFamilies?: true;
  /** A query for the tables, views and functions: kind, name, definition. Left out where none is known. */
  readonly schemaObjects?: string;
  /** Left out where the outbox does not support the database. */
  readonly outbox?: OutboxSql;
}

const SYSTEM_SCHEMAS = `('information_schema', 'pg_catalog', 'mysql', 'performance_schema', 'sys')`;

/** Functions of extensions read no tables of the application. */
const POSTGRES_OBJECTS = `
SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END AS "kind", c.relname::text AS "name",
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS "definition"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname NOT IN ${SYSTEM_SCHEMAS}
UNION ALL
SELECT 'function', p.proname::text, NULL FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ${SYSTEM_SCHEMAS}
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'policy', c.relname::text, 'SELECT ' || pg_get_expr(p.polqual, p.polrelid)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polqual IS NOT NULL`;

const MYSQL_OBJECTS = `
SELECT 'table' AS kind, TABLE_NAME AS name, NULL AS definition FROM information_schema.TABLES
WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA NOT IN ${SYSTEM_SCHEMAS}
UNION ALL
SELECT 'view', TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA NOT IN ${SYSTEM_SCHEMAS}
UNION ALL
SELECT 'function', ROUTINE_NAME, NULL FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA NOT IN ${SYSTEM_SCHEMAS}`;

/** The definition is the text of CREATE VIEW, from its AS on. */
const SQLITE_OBJECTS = `
SELECT type AS kind, name, CASE type WHEN 'view' THEN substr(sql, instr(lower(sql), 'select')) END AS definition
FROM sqlite_master WHERE type IN ('table', 'view')`;

const quotedBy = (mark: string) => (name: string) => mark + name.replaceAll(mark, mark + mark) + mark;
const UNLESS_THERE = 'ON CONFLICT (id) DO NOTHING';

const STANDARD: Dialect = {
  hasBackslashEscapes: false,
  commitsImplicitly: false,
  abortsOnError: false,
  savepointBegins: false,
  canReportRows: false,
  dropsFractions: false,
  queryHooksOf03: 'awaited',
};

const POSTGRES: Dialect = {
  ...STANDARD,
  abortsOnError: true,
  beforeImage: 'for_no_key_update',
  outbox: {
    family: 'postgres',
    quote: quotedBy('"'),
    parameter: (n) => `$${n}`,
    text: 'text',
    ifNew: UNLESS_THERE,
  },
};

const MYSQL: Dialect = {
  ...STANDARD,
  hasBackslashEscapes: true,
  commitsImplicitly: true,
  rolledBackCode: 'ER_LOCK_DEADLOCK',
  dropsFractions: true,
  beforeImage: 'pessimistic_write',
  outbox: {
    family: 'mysql',
    quote: quotedBy('`'),
    parameter: () => '?',
    text: 'mediumtext',
    ifNew: 'ON DUPLICATE KEY UPDATE id = id',
  },
};

const SQLITE: Dialect = {
  ...STANDARD,
  schemaObjects: SQLITE_OBJECTS,
  savepointBegins: true,
  outbox: {
    family: 'sqlite',
    quote: quotedBy('"'),
    parameter: () => '?',
    text: 'text',
    ifNew: UNLESS_THERE,
  },
};

/** One row for each `type` that a DataSource of TypeORM 0.3 or 1 may have. */
const DIALECTS: ReadonlyMap<unknown, Dialect> = new Map<unknown, Dialect>([
  ['postgres', { ...POSTGRES, canReportRows: true, hasTableFamilies: true, schemaObjects: POSTGRES_OBJECTS }],
  ['aurora-postgres', { ...POSTGRES, hasTableFamilies: true }],
  ['cockroachdb', { ...POSTGRES, beforeImage: 'pessimistic_write' }],
  ['mysql', { ...MYSQL, queryHooksOf03: 'unawaited', schemaObjects: MYSQL_OBJECTS }],
  ['mariadb', { ...MYSQL, queryHooksOf03: 'unawaited', schemaObjects: MYSQL_OBJECTS }],
  ['aurora-mysql', MYSQL],
  ['sqljs', SQLITE],
  ['better-sqlite3', { ...SQLITE, beforeImage: 'read', queryHooksOf03: 'unawaited, not called for errors' }],
  ['sqlite', { ...SQLITE, beforeImage: 'read', queryHooksOf03: 'unawaited' }],
  ['react-native', { ...SQLITE, queryHooksOf03: 'unawaited' }],
  ['sqlite-pooled', SQLITE],
  ['capacitor', SQLITE],
  ['cordova', SQLITE],
  ['expo', SQLITE],
  ['nativescript', SQLITE],
  ['mssql', { ...STANDARD, beforeImage: 'pessimistic_write', datetimeStep: 10 }],
  ['oracle', { ...STANDARD, commitsImplicitly: true }],
  ['sap', { ...STANDARD, commitsImplicitly: true }],
  ['spanner', STANDARD],
  ['mongodb', STANDARD],
]);

/** Of a database without a row: the assumptions that invalidate too much rather than too little. */
const UNKNOWN: Dialect = {
  ...STANDARD,
  commitsImplicitly: true,
  abortsOnError: true,
  dropsFractions: true,
  queryHooksOf03: 'unawaited',
};

interface Typed {
  readonly options?: { readonly type?: unknown };
}

export function typeOf(dataSource: object): string {
  return String((dataSource as Typed).options?.type);
}

export function isKnownType(dataSource: object): boolean {
  return DIALECTS.has((dataSource as Typed).options?.type);
}

export function dialectOf(dataSource: object): Dialect {
  return DIALECTS.get((dataSource as Typed).options?.type) ?? UNKNOWN;
}

/**
 * How the driver of a DataSource calls `afterQuery`. Drivers of TypeORM 1 have a `dataSource`; other drivers are treated as those of 0.3.
 */
export function queryHooksOf(dataSource: { readonly driver: object }): QueryHooksOf03 {
  return 'dataSource' in dataSource.driver ? 'awaited' : dialectOf(dataSource).queryHooksOf03;
}
