import { NO_CONTROL, type SqlControl } from './sql-control.js';
import { isPlainSelect, NO_EFFECT, readSql, type SqlEffect } from './sql-tables.js';
import type { Tables } from '../entities/tables.js';
import type { WriteKind } from '../typeorm.interface.js';

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

/** What SQL texts do to the known tables. Parametrised texts recur, so the answer is remembered. */
export class Statements {
  readonly #tables: Tables;
  readonly #remembered = new Map<string, Statement>();

  constructor(
    tables: Tables,
    private readonly hasBackslashes: boolean,
  ) {
    this.#tables = tables;
  }

  read(sql: string): Statement {
    if (isPlainSelect(sql)) return NO_STATEMENT;
    return this.#remember(builtHead(sql) ?? sql);
  }

  #remember(sql: string): Statement {
    const remembered = this.#remembered.get(sql);
    if (remembered !== undefined) return remembered;
    const statement = this.#resolve(readSql(sql, this.hasBackslashes));
    if (sql.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(sql, statement);
    }
    return statement;
  }

  #resolve(effect: SqlEffect): Statement {
    if (effect === NO_EFFECT) return NO_STATEMENT;
    const writes = new Map<string, Statement['writes'][number]>();
    for (const { path, kind, truncateCascade } of effect.writes)
      for (const table of this.#tables.matching({ path, kind, truncateCascade }))
        writes.set(`${kind} ${truncateCascade} ${table}`, { table, kind, truncateCascade });
    return { ...effect, writes: [...writes.values()] };
  }
}

/** A table that is named behind a FROM may be the one that an alias stands for. */
const ANOTHER_WRITE = /;|\b(?:insert|upsert|replace|merge|copy|load|refresh|delete|truncate|update|from)\s/i;

/**
 * The part that names the table, of a statement as the query builders write it, when nothing behind it writes or names another. SQLite's
 * drivers put numbers into the text, so that whole texts seldom recur.
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

/** MySQL's answer to a deadlock: the whole transaction is gone, and what follows commits by itself. */
export function isRolledBack(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ER_LOCK_DEADLOCK';
}

/** An error after which nobody knows whether the statement took effect: the line went dead, not the statement. */
export function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return /^(?:08|57P)|ECONN|EPIPE|ETIMEDOUT|PROTOCOL_|connection|terminat|socket|timeout/i.test(
    `${String(code)} ${String(message)}`,
  );
}
