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
  /** Left out where the outbox does not support the database. */
  readonly outbox?: OutboxSql;
}

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
  ['postgres', { ...POSTGRES, canReportRows: true, hasTableFamilies: true }],
  ['aurora-postgres', { ...POSTGRES, hasTableFamilies: true }],
  ['cockroachdb', { ...POSTGRES, beforeImage: 'pessimistic_write' }],
  ['mysql', { ...MYSQL, queryHooksOf03: 'unawaited' }],
  ['mariadb', { ...MYSQL, queryHooksOf03: 'unawaited' }],
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
