import type { OrmColumn, OrmMetadata, ReportedRow } from '../typeorm.interface.js';

export type HookKind = 'insert' | 'update' | 'remove';

/** After this long an open announced is taken for one whose after* hook will never come. */
export const UNCONFIRMED_MS = 1_000;

const NOTHING: readonly unknown[] = [];
const NO_COLUMNS: ReadonlyMap<string, OrmColumn> = new Map();

/**
 * What happened on one table between before* and after* hooks of one query runner. SQL in there belongs to the hooks,
 * which tell exactly which rows it wrote; but only once they confirm it, since an after* hook is skipped when a later row
 * or somebody else's listener fails, though the write may be durable.
 */
export class AnnouncedStatements {
  readonly #announced: Record<HookKind, number> = { insert: 0, update: 0, remove: 0 };
  readonly #awaited: Record<HookKind, number> = { insert: 0, update: 0, remove: 0 };
  readonly #seen: Record<HookKind, number> = { insert: 0, update: 0, remove: 0 };
  /** By name. */
  #foreignKeys = NO_COLUMNS;
  #metadata: OrmMetadata | undefined;
  /** How often an UPDATE wrote a foreign key, by name, less how often an update hook said so. */
  #unclaimed: Map<string, number> | undefined;
  #insertColumns = '';
  #onConflict: 'update' | 'ignore' | undefined;
  /** An INSERT that is read when somebody asks: a save() that tells its row needs nothing of it. */
  #unread: string | undefined;
  /** Entities that had their primary key before they were inserted. */
  #keyed: Set<object> | undefined;
  /** When its last hook or statement came. */
  touchedAt = Date.now();
  /** Some of its SQL has not been confirmed by an after* hook. */
  isUnconfirmed = false;
  /** Some of its SQL ran outside any transaction: durable, whatever the runner says by now. */
  isDurable = false;
  /** The rows its one statement changed, where that reported them. */
  rows: readonly ReportedRow[] | undefined;
  /** The kind of its one statement, while it is its only one. */
  #sole: HookKind | undefined;

  announce(
    kind: HookKind,
    entity: object | undefined,
    metadata: OrmMetadata,
    updatedColumns: readonly unknown[] = NOTHING,
    updatedRelations: readonly unknown[] = NOTHING,
    databaseEntity?: object,
  ): void {
    // What save() wrote is told by its hook; of a row that was handed to another parent the statement's own answer says less.
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

  /** The entity whose rows a statement of that kind is about to change, if no other could be meant. */
  soleStatement(kind: HookKind): OrmMetadata | undefined {
    return this.#sole === kind && !this.isUnconfirmed ? this.#metadata : undefined;
  }

  /** Whether the statement is one the hooks announced: of their kind, and no more of them than there were hooks. */
  covers(kind: HookKind, sql: string): boolean {
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

  /** True when this was the last hook the announced waited for. */
  confirm(kind: HookKind): boolean {
    if (this.#awaited[kind] > 0) this.#awaited[kind]--;
    return this.#awaited.insert + this.#awaited.update + this.#awaited.remove === 0;
  }

  /** A foreign key that SQL wrote and no hook listed: a child handed to another parent through the parent's list. */
  wroteUnlisted(column: OrmColumn): boolean {
    return (this.#unclaimed?.get(column.databaseName) ?? 0) > 0;
  }

  /** Whether the keys that an INSERT's hook shows can be the row's: given by the caller, or generated one by one. */
  trustsGenerated(entity: object | undefined, returning: boolean): boolean {
    if (entity !== undefined && this.#keyed?.has(entity) === true) return true;
    return this.onConflict === undefined && (returning || this.#announced.insert === 1);
  }

  /** Whether its INSERT may have updated or skipped rows that existed instead. */
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

  /** An inheritance tree's entities share a table but not their columns' metadata. */
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

/** In the quotes of whichever dialect: `authorId` must not be found in `coauthorId`. */
function namesColumn(sql: string, name: string): boolean {
  return sql.includes(`"${name}"`) || sql.includes(`\`${name}\``) || sql.includes(`[${name}]`);
}

function hasPrimaryKey(metadata: OrmMetadata, entity: object): boolean {
  return metadata.primaryColumns.every(
    (column) => (entity as Record<string, unknown>)[column.propertyName] !== undefined,
  );
}

const BUILT = /^(?:\s*DECLARE [^;]*;)?\s*(INSERT|UPSERT|MERGE|REPLACE|UPDATE|DELETE)\b/;

/** Which hook a statement of the query builders' own shape belongs to; undefined for anything written by hand. */
export function builtKind(sql: string): HookKind | undefined {
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
