import type { SqlWrite, WriteKind } from '../typeorm.interface.js';
import {
  lazyRegExp,
  NO_CONTROL,
  readControl,
  type SqlControl,
  withoutComments,
} from './transaction-control.js';

/** Effect of one SQL text, as far as it can be read without a parser: rather too many tables than too few. */
export interface SqlEffect extends SqlControl {
  readonly writes: readonly SqlWrite[];
}

export const NO_EFFECT: SqlEffect = { ...NO_CONTROL, writes: [] };

/**
 * Reads which tables a text writes, and whether it begins or ends a transaction. Plain SELECTs leave at the first check.
 * @param hasBackslashes whether a backslash escapes the next character of a string literal, as on MySQL
 */
export function readSql(sql: string, hasBackslashes = false): SqlEffect {
  if (isPlainSelect(sql)) return NO_EFFECT;
  const text = withoutComments(sql, hasBackslashes);
  const writes = findWrites(text);
  // MySQL executes the content of some comments.
  if (text !== sql)
    writes.push(...findWrites(sql).filter((write) => !writes.some((one) => isSame(one, write))));
  const control = readControl(text, hasBackslashes);
  return writes.length === 0 && control === NO_CONTROL ? NO_EFFECT : { ...control, writes };
}

/** A SELECT writes only when another statement follows it: a data-modifying CTE begins with WITH. */
export function isPlainSelect(sql: string): boolean {
  const first = sql.charCodeAt(0) | 32;
  return (
    first === 115 &&
    (sql.charCodeAt(1) | 32) === 101 &&
    (sql.charCodeAt(2) | 32) === 108 &&
    !sql.includes(';')
  );
}

/** The columns that a statement assigns, in lower case, as far as they can be read without a parser: rather too many. */
export function assignedColumns(sql: string): ReadonlySet<string> {
  const text = withoutComments(sql, false);
  const names = [...text.matchAll(ASSIGNMENT())].map(([, path]) => path!);
  const lists = [...text.matchAll(ASSIGNMENTS())].flatMap(([, list]) => list!.match(NAMES()) ?? []);
  return new Set([...names, ...lists].map((path) => splitPath(path).at(-1)!));
}

/** Sources of regular expressions: a name, and a name with its schema and database in front. */
const NAME =
  String.raw`(?:"(?:[^"]|"")+"|` + '`(?:[^`]|``)+`' + String.raw`|\[[^\]]+\]|[\p{L}\p{N}_][\p{L}\p{N}_$#]*)`;
/** A name in SQL, with its schema and database in front: the source of a regular expression. */
export const PATH_PATTERN = String.raw`${NAME}(?:\s*\.\s*${NAME})*`;
/** White space, which may be left out before a quoted name. */
const GAP = '(?:\\s+|(?=["`[]))';
/** `TOP (10) PERCENT` of SQL Server. */
const TOP = String.raw`(?:top\s*\([^)]*\)\s*(?:percent\s+)?)?`;

const NAMES = lazyRegExp(NAME, 'giu');
const PATHS = lazyRegExp(PATH_PATTERN, 'giu');
const FIRST_PATH = lazyRegExp(String.raw`^\s*(${PATH_PATTERN})`, 'iu');
/** Between the tables of `DELETE FROM a, b.* USING …`. */
const COMMA = /^(?:\s*\.\s*\*)?\s*,/;
const FROM = lazyRegExp(String.raw`^(?:(?:low_priority|quick|ignore)\s+)*from${GAP}(?:only\s+)?`, 'i');
/**
 * The rest of a statement: a semicolon in a literal or a quoted name does not end it. Backslashes count as escapes on every
 * database here, since a rest that is too long only adds tables.
 */
const REST = lazyRegExp(
  String.raw`(?:'(?:[^'\\]|\\[^]|'')*'|"(?:[^"\\]|\\[^]|"")*"|` + '`[^`]*`' + '|[^;])*',
  'y',
);
/** An ALTER TABLE that replaces the rows of a table or the values of a column. */
const REPLACES_ROWS =
  /\bpartition\b|\brename\s+(?!column|index|key|constraint)|\balter\b[^,]*\stype\s|\b(?:modify|change)\s/i;
/** `FROM table alias`, or `(SELECT …) alias`. */
const ALIAS = lazyRegExp(
  String.raw`(?:(?:\bfrom|\bjoin|\busing|,)\s*(?<table>${PATH_PATTERN})\s+|\)\s*)(?:as\s+)?(?!using\b)(?<alias>${NAME})`,
  'giu',
);
/** The name of a common table expression: `WITH name (columns) AS (`. */
const EXPRESSION = lazyRegExp(String.raw`(${NAME})\s*(?:\([^)]*\)\s*)?\bas\s*\(`, 'giu');
/** `SET a = …, b.c = …`, and `UPDATE a = …` of an upsert on MySQL. Comparisons stand behind other words. */
const ASSIGNMENT = lazyRegExp(String.raw`(?:\b(?:set|update)\b|,)\s*(${PATH_PATTERN})\s*[-+*/%&|^]?=`, 'giu');
/** `SET (a, b) = …`. */
const ASSIGNMENTS = lazyRegExp(String.raw`(?:\bset\b|,)\s*\(([^)]*)\)\s*=`, 'giu');

/** A verb that writes, in its statement. */
interface FoundVerb {
  readonly text: string;
  /** The statement up to here, the verb included. */
  readonly before: string;
  readonly behind: string;
}

/** The verbs that write, and how the tables behind each of them are read. The first pattern that matches is used. */
const VERBS: Readonly<Record<string, readonly [pattern: string, (verb: FoundVerb) => SqlWrite[]]>> = {
  // A replaced row is deleted, with the rows that depend on it.
  replace: [
    String.raw`(?:insert\s+or\s+)?replace${GAP}(?:low_priority\s+|delayed\s+)*(?:into${GAP})?`,
    ({ behind }) => firstPath(behind).map(writeOf('mixed')),
  ],
  insert: [
    String.raw`(?:insert|upsert)${GAP}(?:ignore\s+|low_priority\s+|high_priority\s+|delayed\s+|or\s+\w+\s+)*${TOP}(?:into${GAP})?`,
    ({ behind }) => firstPath(behind).map(writeOf('insert')),
  ],
  merge: [
    String.raw`merge${GAP}${TOP}(?:into${GAP})?(?:only\s+)?`,
    ({ before, behind }) =>
      resolved(firstPath(behind), before).map(
        writeOf(/\bthen\s+delete\b/i.test(behind) ? 'mixed' : 'insert'),
      ),
  ],
  copy: [
    String.raw`(?:copy|load\s+(?:data|xml)[^;]*?into\s+table|refresh\s+materialized\s+view(?:\s+concurrently)?)${GAP}`,
    ({ behind }) => firstPath(behind).map(writeOf('mixed')),
  ],
  remove: [
    String.raw`delete${GAP}${TOP}`,
    ({ before, behind }) => {
      const from = FROM().exec(behind);
      if (from !== null) {
        const tables = behind.slice(from[0].length);
        return resolved(pathList(tables), before, tables).map(writeOf('remove'));
      }
      // Of `DELETE x, y FROM users x JOIN posts y` on MySQL every name counts; SQL Server and Oracle take `DELETE users`.
      const names = /\bfrom\b/i.test(behind) ? allPaths(behind) : firstPath(behind);
      return resolved(names, before).map(writeOf('mixed'));
    },
  ],
  // Renaming counts as a write: a table that was loaded beside it may take the place of another.
  define: [
    String.raw`(?:truncate(?:\s+table\b)?|(?:alter|drop|rename)\s+tables?)${GAP}`,
    ({ text, behind }) => {
      if (/^alter/i.test(text) && !REPLACES_ROWS.test(behind)) return [];
      const truncateCascade = /^truncate/i.test(text) && /\bcascade\b/i.test(behind);
      return allPaths(behind).map((name) => ({ ...writeOf('mixed')(name), truncateCascade }));
    },
  ],
  update: [
    String.raw`update${GAP}`,
    ({ before, behind }) => {
      // All names before SET, since there may be joins. `FOR UPDATE` and `ON UPDATE CASCADE` have no SET behind them.
      const set = /\bset\b/i.exec(behind);
      if (set === null || set.index === 0) return [];
      return resolved(allPaths(behind.slice(0, set.index)), before, behind.slice(set.index)).map(
        writeOf('update'),
      );
    },
  ],
};

const VERB = lazyRegExp(
  Object.entries(VERBS)
    .map(([name, [pattern]]) => String.raw`\b(?<${name}>${pattern})`)
    .join('|'),
  'giu',
);

function findWrites(sql: string): SqlWrite[] {
  return [...sql.matchAll(VERB())].flatMap(({ 0: text, groups, index }) => {
    const [name] = Object.entries(groups!).find(([, found]) => found !== undefined)!;
    const at = index + text.length;
    const before = sql.slice(sql.lastIndexOf(';', at) + 1, at);
    return VERBS[name]![1]({ text, before, behind: restOf(sql, at) });
  });
}

function restOf(sql: string, at: number): string {
  const rest = REST();
  rest.lastIndex = at;
  return rest.exec(sql)![0];
}

function writeOf(kind: WriteKind): (name: string) => SqlWrite {
  return (name) => ({ path: splitPath(name), kind, truncateCascade: false });
}

function isSame(one: SqlWrite, other: SqlWrite): boolean {
  return one.kind === other.kind && one.path.join('.') === other.path.join('.');
}

function firstPath(text: string): string[] {
  const match = FIRST_PATH().exec(text);
  return match === null ? [] : [match[1]!];
}

function pathList(text: string): string[] {
  const paths: string[] = [];
  for (let rest = text; ;) {
    const match = FIRST_PATH().exec(rest);
    if (match === null) return paths;
    paths.push(match[1]!);
    rest = rest.slice(match[0].length);
    const comma = COMMA.exec(rest);
    if (comma === null) return paths;
    rest = rest.slice(comma[0].length);
  }
}

function allPaths(text: string): string[] {
  return text.match(PATHS()) ?? [];
}

/**
 * The names, each followed by the tables that it stands for where it is an alias or a common table expression, as on SQL Server:
 * `UPDATE u SET … FROM users u`, `WITH u AS (SELECT … FROM users) DELETE FROM u`.
 */
function resolved(names: readonly string[], before: string, behind = ''): string[] {
  return names.flatMap((name) => [name, ...tablesBehind(name, before, behind)]);
}

function tablesBehind(name: string, before: string, behind: string): string[] {
  const [alias, ...more] = splitPath(name);
  const isMeant = (other: string): boolean => more.length === 0 && splitPath(other)[0] === alias;
  const found: string[] = [];
  for (const { groups } of behind.matchAll(ALIAS())) {
    if (!isMeant(groups!['alias']!)) continue;
    // The alias of a subquery: any name may be that of its table.
    if (groups!['table'] === undefined) found.push(...allPaths(behind));
    else found.push(groups!['table']);
  }
  if ([...before.matchAll(EXPRESSION())].some(([, expression]) => isMeant(expression!)))
    found.push(...allPaths(before));
  return found;
}

/** The names of a path, unquoted and in lower case. */
export function splitPath(path: string): string[] {
  const parts = path.match(NAMES()) ?? [];
  return parts.flatMap((part) =>
    (/^["`[]/.test(part) ? part.slice(1, -1).replaceAll(/""|``/g, (mark) => mark[0]!) : part)
      .toLowerCase()
      .split('.'),
  );
}
