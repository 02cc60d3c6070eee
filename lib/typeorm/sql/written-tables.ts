import { type KnownTables, knownTablesOf } from '../entities/tables.js';
import type { OrmDataSource, SqlWrite, WriteKind } from '../typeorm.interface.js';
import { NO_CONTROL, readControl, type SqlControl, withoutComments } from './transaction-control.js';

/** Sources of regular expressions: a name, and one with its schema and database before it. */
export const NAME =
  String.raw`(?:"(?:[^"]|"")+"|` + '`(?:[^`]|``)+`' + String.raw`|\[[^\]]+\]|[\p{L}\p{N}_][\p{L}\p{N}_$#]*)`;
export const PATH = String.raw`${NAME}(?:\s*\.\s*${NAME})*`;

const NAMES = new RegExp(NAME, 'giu');

/** The names of a path, unquoted and in lower case. */
export function splitPath(path: string): string[] {
  const parts = path.match(NAMES) ?? [];
  return parts.flatMap((part) =>
    (/^["`[]/.test(part) ? part.slice(1, -1).replaceAll(/""|``/g, (mark) => mark[0]!) : part)
      .toLowerCase()
      .split('.'),
  );
}

/** What one SQL text does, as far as it can be told without a parser. Too many tables is safe, too few is not. */
export interface SqlEffect extends SqlControl {
  /** Names as written, unquoted and in lower case, split at the dots. */
  readonly writes: readonly SqlWrite[];
}

export const NO_EFFECT: SqlEffect = { ...NO_CONTROL, writes: [] };

/** A quoted name may follow a word at once. */
const GAP = '(?:\\s+|(?=["`[]))';
/** SQL Server's. */
const TOP = String.raw`(?:top\s*\([^)]*\)\s*(?:percent\s+)?)?`;
const VERB = new RegExp(
  [
    // A row that is replaced is deleted, and its dependents with it.
    String.raw`\b(?<replace>(?:insert\s+or\s+)?replace)${GAP}(?:low_priority\s+|delayed\s+)*(?:into${GAP})?`,
    String.raw`\b(?<insert>insert|upsert)${GAP}(?:ignore\s+|low_priority\s+|high_priority\s+|delayed\s+|or\s+\w+\s+)*${TOP}(?:into${GAP})?`,
    String.raw`\b(?<merge>merge)${GAP}${TOP}(?:into${GAP})?(?:only\s+)?`,
    String.raw`\b(?<copy>copy|load\s+(?:data|xml)[^;]*?into\s+table|refresh\s+materialized\s+view(?:\s+concurrently)?)${GAP}`,
    String.raw`\b(?<remove>delete)${GAP}`,
    // Tables may change places: whoever has loaded a copy renames it to the table.
    String.raw`\b(?<whole>truncate(?:\s+table\b)?|(?:alter|drop|rename)\s+tables?)${GAP}`,
    String.raw`\b(?<update>update)${GAP}`,
  ].join('|'),
  'giu',
);
const PATH_AT = new RegExp(String.raw`\s*(${PATH})`, 'iuy');
/** Behind the first table of `DELETE FROM a, b USING …`. */
const NEXT_AT = new RegExp(String.raw`(?:\s*\.\s*\*)?\s*,`, 'y');
const FROM_AT = new RegExp(String.raw`(?:(?:low_priority|quick|ignore)\s+)*from${GAP}(?:only\s+)?`, 'iy');
/** An ALTER TABLE that gives the table other rows, its rows another table, or its columns other values. */
const MOVES_ROWS =
  /\bpartition\b|\brename\s+(?!column|index|key|constraint)|\balter\b[^,]*\stype\s|\b(?:modify|change)\s/i;
/** `FROM table alias`, or `(SELECT …) alias`. */
const ALIAS = new RegExp(
  String.raw`(?:(?:\bfrom|\bjoin|\busing|,)\s*(?<table>${PATH})\s+|\)\s*)(?:as\s+)?(?!using\b)(?<alias>${NAME})`,
  'giu',
);
/** `WITH expression (columns) AS (`. */
const EXPRESSION = new RegExp(String.raw`(${NAME})\s*(?:\([^)]*\)\s*)?\bas\s*\(`, 'giu');
const PATHS = new RegExp(PATH, 'giu');

/**
 * What the statement writes and whether it begins or ends a transaction. Plain SELECTs leave at the first check.
 * @param hasBackslashes whether a backslash in a text takes the mark behind it for a part of the text, as on MySQL
 */
export function readSql(sql: string, hasBackslashes = false): SqlEffect {
  if (isPlainSelect(sql)) return NO_EFFECT;
  const text = withoutComments(sql, hasBackslashes);
  const writes = findWrites(text);
  // MySQL carries out what stands in some comments.
  if (text !== sql)
    writes.push(...findWrites(sql).filter((write) => !writes.some((one) => isSame(one, write))));
  const control = readControl(text, hasBackslashes);
  return writes.length === 0 && control === NO_CONTROL ? NO_EFFECT : { ...control, writes };
}

function isSame(one: SqlWrite, other: SqlWrite): boolean {
  return one.kind === other.kind && one.path.join('.') === other.path.join('.');
}

/** A SELECT writes only when another statement follows it: data-modifying CTEs must begin with WITH. */
export function isPlainSelect(sql: string): boolean {
  const first = sql.charCodeAt(0) | 32;
  return (
    first === 115 &&
    (sql.charCodeAt(1) | 32) === 101 &&
    (sql.charCodeAt(2) | 32) === 108 &&
    !sql.includes(';')
  );
}

function findWrites(sql: string): SqlWrite[] {
  const writes: SqlWrite[] = [];
  VERB.lastIndex = 0;
  for (let match = VERB.exec(sql); match !== null; match = VERB.exec(sql)) {
    const at = VERB.lastIndex;
    const verb = match.groups!;
    const add = (name: string, kind: WriteKind, truncateCascade = false) =>
      writes.push({ path: splitPath(name), kind, truncateCascade });
    const addMeant = (name: string, kind: WriteKind, rest = '') => {
      add(name, kind);
      const before = sql.slice(sql.lastIndexOf(';', at) + 1, at);
      for (const table of meantBy(name, before, rest)) add(table, kind);
    };
    if (verb['insert'] !== undefined) addFirst(sql, at, (name) => add(name, 'insert'));
    else if (verb['merge'] !== undefined) {
      const kind = /\bthen\s+delete\b/i.test(statement(sql, at)) ? 'mixed' : 'insert';
      addFirst(sql, at, (name) => addMeant(name, kind));
    } else if (verb['replace'] !== undefined || verb['copy'] !== undefined)
      addFirst(sql, at, (name) => add(name, 'mixed'));
    else if (verb['remove'] !== undefined) {
      // `DELETE FROM a` names its table; MySQL's `DELETE x, y FROM a x JOIN b y` names aliases: take every name.
      FROM_AT.lastIndex = at;
      if (FROM_AT.test(sql)) {
        const from = FROM_AT.lastIndex;
        addList(sql, from, (name) => addMeant(name, 'remove', statement(sql, from)));
      } else if (/\bfrom\b/i.test(sql.slice(at)))
        addAll(statement(sql, at), (name) => addMeant(name, 'mixed'));
    } else if (verb['whole'] !== undefined) {
      const rest = statement(sql, at);
      const truncates = /^truncate/i.test(verb['whole']);
      if (/^alter/i.test(verb['whole']) && !MOVES_ROWS.test(rest)) continue;
      addAll(rest, (name) => add(name, 'mixed', truncates && /\bcascade\b/i.test(rest)));
    } else {
      // `FOR UPDATE` and `ON UPDATE CASCADE` have no SET behind them; joins and lists stand before it.
      const set = /\bset\b/i.exec(sql.slice(at));
      if (set === null || set.index === 0) continue;
      const rest = statement(sql, at + set.index);
      addAll(sql.slice(at, at + set.index), (name) => addMeant(name, 'update', rest));
    }
  }
  return writes;
}

/** @returns where the name ends; `undefined` where there is none */
function addFirst(sql: string, at: number, add: (name: string) => void): number | undefined {
  PATH_AT.lastIndex = at;
  const match = PATH_AT.exec(sql);
  if (match === null) return undefined;
  add(match[1]!);
  return PATH_AT.lastIndex;
}

function addList(sql: string, at: number, add: (name: string) => void): void {
  for (let end = addFirst(sql, at, add); end !== undefined; end = addFirst(sql, NEXT_AT.lastIndex, add)) {
    NEXT_AT.lastIndex = end;
    if (!NEXT_AT.test(sql)) return;
  }
}

function addAll(text: string, add: (name: string) => void): void {
  for (const name of text.match(PATHS) ?? []) add(name);
}

/**
 * The tables that a name stands for on SQL Server, where it may be an alias or a common table expression:
 * `UPDATE u SET … FROM users u`, `WITH u AS (SELECT … FROM users) DELETE FROM u`.
 */
function meantBy(name: string, before: string, rest: string): readonly string[] {
  const [alias, ...more] = splitPath(name);
  const isMeant = (other: string): boolean => more.length === 0 && splitPath(other)[0] === alias;
  const found: string[] = [];
  for (const { groups } of rest.matchAll(ALIAS)) {
    if (!isMeant(groups!['alias']!)) continue;
    if (groups!['table'] === undefined) addAll(rest, (table) => found.push(table));
    else found.push(groups!['table']);
  }
  if ([...before.matchAll(EXPRESSION)].some(([, expression]) => isMeant(expression!)))
    addAll(before, (table) => found.push(table));
  return found;
}

function statement(sql: string, at: number): string {
  const end = sql.indexOf(';', at);
  return end < 0 ? sql.slice(at) : sql.slice(at, end);
}

/** `SET a = …, b.c = …`, `UPDATE a = …` of an upsert on MySQL. What is compared stands behind other words. */
const ASSIGNMENT = new RegExp(String.raw`(?:\b(?:set|update)\b|,)\s*(${PATH})\s*[-+*/%&|^]?=`, 'giu');
/** `SET (a, b) = …`. */
const ASSIGNMENTS = new RegExp(String.raw`(?:\bset\b|,)\s*\(([^)]*)\)\s*=`, 'giu');
const COLUMN_NAMES = new RegExp(NAME, 'giu');

/** The columns that a statement gives other values, in lower case, as far as it can be told without a parser. Rather too many. */
export function assignedColumns(sql: string): ReadonlySet<string> {
  const text = withoutComments(sql, false);
  const names = [...text.matchAll(ASSIGNMENT)].map(([, path]) => path!);
  const lists = [...text.matchAll(ASSIGNMENTS)].flatMap(([, list]) => list!.match(COLUMN_NAMES) ?? []);
  return new Set([...names, ...lists].map((path) => splitPath(path).at(-1)!));
}

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
  readonly #tables: KnownTables;
  readonly #remembered = new Map<string, Statement>();

  constructor(
    tables: KnownTables,
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

const HAS_BACKSLASHES = /^(?:mysql|mariadb|aurora-mysql)$/;
const COMMITS_DEFINITIONS = /^(?:mysql|mariadb|aurora-mysql|oracle|sap)$/;

/** What the collector asks about one DataSource: its tables, its SQL, its driver's habits. */
export class StatementReader {
  readonly #dataSource: OrmDataSource;
  readonly #commitsDefinitions: boolean;
  readonly #hasBackslashes: boolean;
  #metadatas: unknown;
  #tables: KnownTables | undefined;
  #statements: Statements | undefined;

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
    const type = String((dataSource.options as { type?: unknown }).type);
    this.#commitsDefinitions = COMMITS_DEFINITIONS.test(type);
    this.#hasBackslashes = HAS_BACKSLASHES.test(type);
  }

  /** Made anew when an initialisation has made new metadata. */
  get tables(): KnownTables {
    const { entityMetadatas } = this.#dataSource;
    if (this.#tables === undefined || entityMetadatas !== this.#metadatas) {
      this.#metadatas = entityMetadatas;
      this.#tables = knownTablesOf(this.#dataSource);
      this.#statements = new Statements(this.#tables, this.#hasBackslashes);
    }
    return this.#tables;
  }

  read(sql: string): Statement {
    void this.tables;
    return this.#statements!.read(sql);
  }

  /** Whether the statement commits what was written before it, whoever began the transaction. */
  commitsImplicitly(statement: Statement): boolean {
    return this.#commitsDefinitions && statement.commitsImplicitly;
  }

  /** Whether an INSERT of several rows gives back the key of each, as RETURNING does. */
  get returnsRows(): boolean {
    const driver = this.#dataSource.driver as { isReturningSqlSupported?: (kind: string) => boolean };
    return driver.isReturningSqlSupported?.('insert') ?? false;
  }
}
