import { type Dialect, dialectOf } from '../dialects.js';
import { type KnownTables, knownTablesOf } from '../entities/tables.js';
import type { OrmDataSource, WriteKind } from '../typeorm.interface.js';
import { NO_CONTROL, type SqlControl } from './transaction-control.js';
import { isPlainSelect, NO_EFFECT, readSql, type SqlEffect } from './written-tables.js';

/** The effect of a statement on the tables of one DataSource and on the transaction. */
export interface Statement extends SqlControl {
  readonly writes: readonly {
    readonly table: string;
    readonly kind: WriteKind;
    readonly truncateCascade: boolean;
  }[];
}

const NO_STATEMENT: Statement = { ...NO_CONTROL, writes: [] };
const MAX_REMEMBERED = 500;
const MAX_REMEMBERED_LENGTH = 4_000;

/** Reads SQL texts of one DataSource against the tables of its database. Texts with parameters recur, so results are remembered. */
export class StatementReader {
  readonly #dataSource: OrmDataSource;
  readonly #current: () => KnownTables;
  readonly #dialect: Dialect;
  readonly #remembered = new Map<string, Statement>();
  #tables: KnownTables | undefined;

  /** @param current the tables of the database; by default those of the DataSource alone */
  constructor(
    dataSource: OrmDataSource,
    current: () => KnownTables = () => knownTablesOf(dataSource),
    private readonly onUnknownTable: () => void = () => undefined,
  ) {
    this.#dataSource = dataSource;
    this.#current = current;
    this.#dialect = dialectOf(dataSource);
  }

  /** The tables of the present metadata: every initialisation makes new metadata. */
  get tables(): KnownTables {
    const tables = this.#current();
    if (tables !== this.#tables) {
      this.#tables = tables;
      this.#remembered.clear();
    }
    return tables;
  }

  read(sql: string): Statement {
    if (isPlainSelect(sql)) return NO_STATEMENT;
    const { tables } = this;
    const text = builtHead(sql) ?? sql;
    const remembered = this.#remembered.get(text);
    if (remembered !== undefined) return remembered;
    const statement = resolve(readSql(text, this.#dialect.hasBackslashEscapes), tables, this.onUnknownTable);
    if (text.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(text, statement);
    }
    return statement;
  }

  /** True if the statement commits everything that was written before it, no matter who began the transaction. */
  commitsImplicitly(statement: Statement): boolean {
    return this.#dialect.commitsImplicitly && statement.commitsImplicitly;
  }

  /** True if SAVEPOINT begins a transaction where none is open. */
  get savepointBegins(): boolean {
    return this.#dialect.savepointBegins;
  }

  /** True if the error says that the whole transaction is gone: statements behind it commit by themselves. */
  isRolledBack(error: unknown): boolean {
    const { rolledBackCode } = this.#dialect;
    return rolledBackCode !== undefined && (error as { code?: unknown } | undefined)?.code === rolledBackCode;
  }

  /** True if an INSERT of several rows returns the generated key of each of them. */
  get returnsRows(): boolean {
    const driver = this.#dataSource.driver as { isReturningSqlSupported?: (kind: string) => boolean };
    return driver.isReturningSqlSupported?.('insert') ?? false;
  }
}

function resolve(effect: SqlEffect, tables: KnownTables, onUnknownTable: () => void): Statement {
  if (effect === NO_EFFECT) return NO_STATEMENT;
  const writes = new Map<string, Statement['writes'][number]>();
  for (const { path, kind, truncateCascade } of effect.writes)
    for (const table of tables.matching({ path }))
      writes.set(`${kind} ${truncateCascade} ${table}`, { table, kind, truncateCascade });
  const { partitioned } = tables;
  for (const { kind, truncateCascade } of partitioned.length === 0 ? [] : effect.writes) {
    // Beside the name of a table, other words are aliases and keywords.
    if (effect.writes.some((write) => write.kind === kind && tables.isTable(write.path))) continue;
    onUnknownTable();
    for (const table of partitioned) writes.set(`${kind} ${table}`, { table, kind, truncateCascade });
  }
  return { ...effect, writes: [...writes.values()] };
}

/** A table that is named behind a FROM may be the one that an alias stands for. */
const ANOTHER_WRITE = /;|\b(?:insert|upsert|replace|merge|copy|load|refresh|delete|truncate|update|from)\s/i;

/**
 * The part of a statement of the query builders that names its table, where nothing behind it writes or names another. Drivers of
 * SQLite put numbers into the text, so whole texts seldom recur.
 */
function builtHead(sql: string): string | undefined {
  const end = endOfHead(sql);
  return end < 0 || ANOTHER_WRITE.test(sql.slice(end)) ? undefined : sql.slice(0, end);
}

function endOfHead(sql: string): number {
  if (sql.startsWith('INSERT INTO ')) return sql.indexOf('(');
  if (sql.startsWith('DELETE FROM ')) return sql.indexOf(' WHERE ');
  if (!sql.startsWith('UPDATE ')) return -1;
  const set = sql.indexOf(' SET ');
  return set < 0 ? -1 : set + 5;
}
