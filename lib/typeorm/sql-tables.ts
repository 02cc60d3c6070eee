/** How a statement writes: which hook could have announced it. `mixed` statements are announced by none. */
export type WriteKind = 'insert' | 'update' | 'remove' | 'mixed';

/** What one SQL text does, as far as it can be told without a parser. Too many tables is safe, too few is not. */
export interface SqlEffect {
  readonly control: 'begin' | 'commit' | 'rollback' | 'savepoint' | undefined;
  /** Whether it commits a transaction, also before it begins another: `COMMIT AND CHAIN`. */
  readonly commits: boolean;
  /** Names as written, unquoted and in lower case, split at the dots. */
  readonly writes: readonly SqlWrite[];
}

export interface SqlWrite {
  readonly path: readonly string[];
  readonly kind: WriteKind;
  /** TRUNCATE … CASCADE empties every table that refers to this one, whatever their ON DELETE says. */
  readonly truncateCascade: boolean;
}

export const NO_EFFECT: SqlEffect = { control: undefined, commits: false, writes: [] };

const NAME = String.raw`(?:"(?:[^"]|"")+"|` + '`[^`]+`' + String.raw`|\[[^\]]+\]|[\p{L}_][\p{L}\p{N}_$#]*)`;
const PATH = String.raw`${NAME}(?:\s*\.\s*${NAME})*`;
/** A quoted name may follow a word at once. */
const GAP = '(?:\\s+|(?=["`[]))';
const VERB = new RegExp(
  [
    String.raw`\b(?<insert>insert|upsert)\s+(?:or\s+\w+\s+|ignore\s+|low_priority\s+|high_priority\s+|delayed\s+)*(?:into${GAP})?`,
    String.raw`\b(?<replace>replace)\s+(?:low_priority\s+|delayed\s+)*(?:into${GAP})?`,
    String.raw`\b(?<merge>merge)\s+(?:into${GAP})?(?:only\s+)?`,
    String.raw`\b(?<copy>copy|load\s+(?:data|xml)[^;]*?into\s+table|refresh\s+materialized\s+view(?:\s+concurrently)?)\s+`,
    String.raw`\b(?<remove>delete)\s+`,
    String.raw`\b(?<truncate>truncate)${GAP}(?:table\s+)?`,
    String.raw`\b(?<update>update)${GAP}`,
  ].join('|'),
  'giu',
);
const PATH_AT = new RegExp(String.raw`\s*(${PATH})`, 'iuy');
const NAMES = new RegExp(NAME, 'giu');
const PATHS = new RegExp(PATH, 'giu');
const CONTROL =
  /(?:^|;)\s*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release)\b(?:\s+(?:(?:work|tran|transaction)\s+)?(to\b|and\s+chain\b))?/gi;
const TEXT = String.raw`\$((?:[\p{L}_][\p{L}\p{N}_]*)?)\$[^]*?\$\1\$|'(?:[^']|'')*'`;
const TEXTS = new RegExp(TEXT, 'giu');
const COMMENTS = new RegExp(String.raw`/\*[^]*?\*/|--.*|${TEXT}|"(?:[^"]|"")*"|` + '`[^`]*`', 'giu');

/** What the statement writes and whether it begins or ends a transaction. Plain SELECTs leave at the first check. */
export function readSql(sql: string): SqlEffect {
  if (isPlainSelect(sql)) return NO_EFFECT;
  const text = withoutComments(sql);
  const writes = findWrites(text);
  // MySQL carries out what stands in some comments.
  if (text !== sql)
    writes.push(...findWrites(sql).filter((write) => !writes.some((one) => isSame(one, write))));
  const { control, commits } = findControl(text);
  return writes.length === 0 && control === undefined ? NO_EFFECT : { control, commits, writes };
}

function withoutComments(sql: string): string {
  if (!sql.includes('/*') && !sql.includes('--')) return sql;
  return sql.replace(COMMENTS, (match) => (/^(?:--|\/\*)/.test(match) ? ' ' : match)).trimStart();
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
    if (verb['insert'] !== undefined) addFirst(sql, at, (name) => add(name, 'insert'));
    else if (verb['replace'] !== undefined || verb['merge'] !== undefined)
      addFirst(sql, at, (name) => add(name, 'insert'));
    else if (verb['copy'] !== undefined) addFirst(sql, at, (name) => add(name, 'mixed'));
    else if (verb['remove'] !== undefined) {
      // `DELETE FROM a` names its table; MySQL's `DELETE x, y FROM a x JOIN b y` names aliases: take every name.
      const from = /^(?:(?:low_priority|quick|ignore)\s+)*from(?:\s+|(?=["`[]))(?:only\s+)?/i.exec(
        sql.slice(at, at + 200),
      );
      if (from !== null) addFirst(sql, at + from[0].length, (name) => add(name, 'remove'));
      else if (/\bfrom\b/i.test(sql.slice(at))) addAll(statement(sql, at), (name) => add(name, 'mixed'));
    } else if (verb['truncate'] !== undefined) {
      const rest = statement(sql, at);
      addAll(rest, (name) => add(name, 'mixed', /\bcascade\b/i.test(rest)));
    } else {
      // `FOR UPDATE` and `ON UPDATE CASCADE` have no SET behind them; joins and lists stand before it.
      const set = /\bset\b/i.exec(sql.slice(at));
      if (set !== null && set.index > 0) addAll(sql.slice(at, at + set.index), (name) => add(name, 'update'));
    }
  }
  return writes;
}

function addFirst(sql: string, at: number, add: (name: string) => void): void {
  PATH_AT.lastIndex = at;
  const match = PATH_AT.exec(sql);
  if (match !== null) add(match[1]!);
}

function addAll(text: string, add: (name: string) => void): void {
  for (const name of text.match(PATHS) ?? []) add(name);
}

function statement(sql: string, at: number): string {
  const end = sql.indexOf(';', at);
  return end < 0 ? sql.slice(at) : sql.slice(at, end);
}

function splitPath(name: string): string[] {
  const parts = name.match(NAMES) ?? [];
  return parts.flatMap((part) =>
    (/^["`[]/.test(part) ? part.slice(1, -1).replaceAll('""', '"') : part).toLowerCase().split('.'),
  );
}

/** The last control statement of the text decides in which state it leaves the connection. */
function findControl(sql: string): Pick<SqlEffect, 'control' | 'commits'> {
  if (!/begin|transaction|commit|end|rollback|abort|savepoint|release/i.test(sql)) return NO_EFFECT;
  const text = sql.includes(';') ? sql.replace(TEXTS, "''") : sql;
  let control: SqlEffect['control'];
  let commits = false;
  CONTROL.lastIndex = 0;
  for (let match = CONTROL.exec(text); match !== null; match = CONTROL.exec(text)) {
    const word = match[1]!.toLowerCase();
    const isCommit = word === 'commit' || word === 'end';
    const isInner = match[2]?.toLowerCase() === 'to' || word === 'savepoint' || word === 'release';
    commits ||= isCommit;
    if (isInner) control ??= 'savepoint';
    else if (match[2] !== undefined || word === 'begin' || word.startsWith('start')) control = 'begin';
    else control = isCommit ? 'commit' : 'rollback';
  }
  return { control, commits };
}
