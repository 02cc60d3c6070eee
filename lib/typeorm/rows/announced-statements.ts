import type { OrmColumn, OrmMetadata, ReportedRow } from '../typeorm.interface.js';

export type StatementKind = 'insert' | 'update' | 'remove';

/** After this long without a hook or a statement, the `after` hook will not come any more. Milliseconds. */
export const UNCONFIRMED_MS = 1_000;

const NOTHING: readonly unknown[] = [];
const NO_COLUMNS: ReadonlyMap<string, OrmColumn> = new Map();

/**
 * The statements on one table that `before` hooks of one query runner announced. Their `after` hooks tell exactly which rows were
 * written, so the SQL itself is not read. Until then it is unconfirmed: TypeORM skips `after` hooks when a later row or a listener
 * of the application fails, though the write may be durable.
 */
export class AnnouncedStatements {
  readonly #announced: Record<StatementKind, number> = { insert: 0, update: 0, remove: 0 };
  readonly #awaited: Record<StatementKind, number> = { insert: 0, update: 0, remove: 0 };
  readonly #seen: Record<StatementKind, number> = { insert: 0, update: 0, remove: 0 };
  /** The foreign keys of its entities, by the column's name. */
  #foreignKeys = NO_COLUMNS;
  #metadata: OrmMetadata | undefined;
  /** By foreign key: the UPDATEs that assigned it, less the update hooks that listed it. */
  #unclaimed: Map<string, number> | undefined;
  #insertColumns = '';
  #onConflict: 'update' | 'ignore' | undefined;
  /** An INSERT whose text is read only if needed: the hooks of a save() carry their row. */
  #unread: string | undefined;
  /** Entities that had their primary key before they were inserted. */
  #keyed: Set<object> | undefined;
  /** Time of its last hook or statement. */
  touchedAt = Date.now();
  /** A statement ran whose `after` hook has not come. */
  isUnconfirmed = false;
  /** A statement ran outside of a transaction: it is durable, even if the runner has begun one since. */
  isDurable = false;
  /** The rows that its only statement changed, where it reported them. */
  rows: readonly ReportedRow[] | undefined;
  /** The kind of its only statement; `undefined` when there are more. */
  #sole: StatementKind | undefined;

  announce(
    kind: StatementKind,
    entity: object | undefined,
    metadata: OrmMetadata,
    updatedColumns: readonly unknown[] = NOTHING,
    updatedRelations: readonly unknown[] = NOTHING,
    databaseEntity?: object,
  ): void {
    // The hook of a save() carries its row, and knows more of a row that moved to another parent than the statement reports.
    const isSaved = kind === 'update' && databaseEntity !== undefined;
    this.#sole = this.#isFresh && !isSaved ? kind : undefined;
    this.rows = undefined;
    this.#announced[kind]++;
    this.#awaited[kind]++;
    this.#know(metadata);
    if (kind === 'update') this.#claim(updatedColumns, updatedRelations);
    if (kind === 'insert' && entity !== undefined && hasPrimaryKey(metadata, entity))
      (this.#keyed ??= new Set()).add(entity);
  }

  get #isFresh(): boolean {
    return this.#announced.insert + this.#announced.update + this.#announced.remove === 0;
  }

  /** The entity whose rows a statement of that kind is about to change; `undefined` if it may be another one. */
  soleStatement(kind: StatementKind): OrmMetadata | undefined {
    return this.#sole === kind && !this.isUnconfirmed ? this.#metadata : undefined;
  }

  /** True if hooks announced the statement: it has their kind, and there were not more statements than hooks. */
  covers(kind: StatementKind, sql: string): boolean {
    if (this.#awaited[kind] === 0 || this.#seen[kind] >= this.#announced[kind]) return false;
    if (!this.isUnconfirmed && this.isStale) return false;
    this.#seen[kind]++;
    this.touchedAt = Date.now();
    this.isUnconfirmed = true;
    if (kind === 'insert') {
      this.#readInsert();
      this.#unread = sql;
    }
    if (kind === 'update' && this.#foreignKeys.size > 0) this.#readUpdate(sql);
    return true;
  }

  get isStale(): boolean {
    return Date.now() - this.touchedAt > UNCONFIRMED_MS;
  }

  get hasDeleted(): boolean {
    return this.#seen.remove > 0;
  }

  /** An `after` hook came. @returns whether it was the last one */
  confirm(kind: StatementKind): boolean {
    if (this.#awaited[kind] > 0) this.#awaited[kind]--;
    return this.#awaited.insert + this.#awaited.update + this.#awaited.remove === 0;
  }

  /** True if SQL assigned a foreign key that no hook listed: the child moved to another parent through the parent's list. */
  wroteUnlisted(column: OrmColumn): boolean {
    return (this.#unclaimed?.get(column.databaseName) ?? 0) > 0;
  }

  /** True if the key that the hook of an INSERT carries is the row's: given by the caller, or generated for this row alone. */
  trustsGenerated(entity: object | undefined, returning: boolean): boolean {
    if (entity !== undefined && this.#keyed?.has(entity) === true) return true;
    return this.onConflict === undefined && (returning || this.#announced.insert === 1);
  }

  /** True if its INSERT may have updated, or skipped, rows that existed. */
  get onConflict(): 'update' | 'ignore' | undefined {
    this.#readInsert();
    return this.#onConflict;
  }

  inserted(column: OrmColumn): boolean {
    this.#readInsert();
    return namesColumn(this.#insertColumns, column.databaseName);
  }

  #readInsert(): void {
    const sql = this.#unread;
    if (sql === undefined) return;
    this.#unread = undefined;
    const open = sql.indexOf('(');
    this.#insertColumns = open < 0 ? '' : sql.slice(open, sql.indexOf(')', open));
    if (
      /\bon\s+conflict\b[^;]*\bdo\s+update\b|\bon\s+duplicate\s+key\b|^\s*(?:merge|replace|upsert)\b|\bor\s+replace\b/i.test(
        sql,
      )
    ) {
      this.#onConflict = 'update';
    } else if (/\bon\s+conflict\b|\binsert\s+(?:or\s+)?ignore\b/i.test(sql)) this.#onConflict ??= 'ignore';
  }

  #claim(columns: readonly unknown[], relations: readonly unknown[]): void {
    for (const [name, column] of this.#foreignKeys) {
      if (columns.includes(column) || relations.includes(column.relationMetadata)) this.#count(name, -1);
    }
  }

  #readUpdate(sql: string): void {
    const where = sql.lastIndexOf(' WHERE ');
    const head = where < 0 ? sql : sql.slice(0, where);
    for (const name of this.#foreignKeys.keys()) if (namesColumn(head, name)) this.#count(name, 1);
  }

  #count(name: string, by: number): void {
    this.#unclaimed ??= new Map();
    this.#unclaimed.set(name, (this.#unclaimed.get(name) ?? 0) + by);
  }

  /** The entities of an inheritance tree share a table but not the metadata of its columns. */
  #know(metadata: OrmMetadata): void {
    if (this.#metadata === metadata) return;
    const known = foreignKeysOf(metadata);
    this.#foreignKeys = this.#metadata === undefined ? known : new Map([...this.#foreignKeys, ...known]);
    this.#metadata = metadata;
  }
}

const foreignKeys = new WeakMap<OrmMetadata, ReadonlyMap<string, OrmColumn>>();

function foreignKeysOf(metadata: OrmMetadata): ReadonlyMap<string, OrmColumn> {
  let keys = foreignKeys.get(metadata);
  if (keys === undefined) {
    const columns = metadata.columns.filter(({ relationMetadata }) => relationMetadata !== undefined);
    keys = new Map(columns.map((column) => [column.databaseName, column]));
    foreignKeys.set(metadata, keys);
  }
  return keys;
}

/** In the quotes of any dialect: `authorId` must not be found in `coauthorId`. */
function namesColumn(sql: string, name: string): boolean {
  return sql.includes(`"${name}"`) || sql.includes(`\`${name}\``) || sql.includes(`[${name}]`);
}

function hasPrimaryKey(metadata: OrmMetadata, entity: object): boolean {
  return metadata.primaryColumns.every(
    (column) => (entity as Record<string, unknown>)[column.propertyName] !== undefined,
  );
}

const BUILT = /^(?:\s*DECLARE [^;]*;)?\s*(INSERT|UPSERT|MERGE|REPLACE|UPDATE|DELETE)\b/;

/** The hook that a statement of a query builder belongs to; `undefined` for any other text. */
export function builtKind(sql: string): StatementKind | undefined {
  switch (BUILT.exec(sql)?.[1]) {
    case 'UPDATE':
      return 'update';
    case 'DELETE':
      return 'remove';
    case undefined:
      return undefined;
    default:
      return 'insert';
  }
}
