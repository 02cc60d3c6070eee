import { lazyRegExp } from './transaction-control.js';

/** Names in one SQL text, each by its last part and in lower case. */
export interface SqlNames {
  /** Names that stand where a table does. */
  readonly tables: ReadonlySet<string>;
  /** All other names, among them columns and aliases: one of them may be a table where the text was misread. */
  readonly others: ReadonlySet<string>;
  /** Names of functions. */
  readonly calls: ReadonlySet<string>;
  /** True if the text reads what its names do not tell, e.g. `CALL report()`. */
  readonly isOpaque: boolean;
}

const literal = (hasBackslashes: boolean): string =>
  [
    String.raw`\$((?:[\p{L}_][\p{L}\p{N}_]*)?)\$[^]*?\$\1\$`,
    String.raw`\be'(?:[^'\\]|\\[^]|'')*'`,
    hasBackslashes ? String.raw`'(?:[^'\\]|\\[^]|'')*'` : `'(?:[^']|'')*'`,
  ].join('|');

/** Comments and literals; quoted names; words; single characters. Brackets quote a name only if nothing else can stand in them. */
const tokens = (hasBackslashes: boolean): string =>
  String.raw`/\*[^]*?\*/|--[^\n]*|${literal(hasBackslashes)}` +
  '|(?<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\\[[^\\]\\s(),]+\\])' +
  String.raw`|(?<word>[\p{L}_@#][\p{L}\p{N}_$#@]*)|(?<mark>[().,;])|[^\s]`;

const TOKENS = lazyRegExp(tokens(false), 'giu');
const BACKSLASHED_TOKENS = lazyRegExp(tokens(true), 'giu');

/** Words behind which a table stands. */
const BEFORE_TABLE = new Set([
  'from',
  'join',
  'straight_join',
  'update',
  'into',
  'using',
  'table',
  'only',
  'lateral',
  'describe',
]);
/** Words that end the list of tables of a FROM. */
const AFTER_TABLES = new Set([
  ...[
    'where',
    'group',
    'order',
    'having',
    'limit',
    'union',
    'intersect',
    'except',
    'minus',
    'window',
    'fetch',
  ],
  ...['offset', 'for', 'set', 'values', 'returning', 'select', 'with', 'when', 'qualify', 'option'],
]);
const BEFORE_UPDATE = new Set(['for', 'key', 'on', 'do']);
/** Other words that are no names. */
const KEYWORDS = new Set([
  ...[
    'as',
    'on',
    'inner',
    'left',
    'right',
    'full',
    'outer',
    'cross',
    'natural',
    'and',
    'or',
    'not',
    'in',
    'exists',
  ],
  ...[
    'distinct',
    'all',
    'any',
    'some',
    'case',
    'then',
    'else',
    'end',
    'is',
    'null',
    'like',
    'ilike',
    'between',
    'by',
  ],
  ...[
    'asc',
    'desc',
    'recursive',
    'materialized',
    'over',
    'partition',
    'insert',
    'delete',
    'merge',
    'replace',
    'true',
    'false',
  ],
]);
/** First words of texts whose tables are named in them. */
const READABLE = new Set([
  'select',
  'with',
  'insert',
  'update',
  'delete',
  'merge',
  'replace',
  'upsert',
  'values',
  'table',
  'explain',
]);
/** First words of texts that read no table. */
const TABLELESS = new Set([
  ...[
    'begin',
    'start',
    'commit',
    'rollback',
    'savepoint',
    'release',
    'set',
    'pragma',
    'use',
    'reset',
    'show',
  ],
  ...[
    'create',
    'alter',
    'drop',
    'truncate',
    'analyze',
    'vacuum',
    'listen',
    'notify',
    'lock',
    'end',
    'discard',
  ],
]);

/** What a parenthesis holds. */
interface Level {
  /** A table may stand here. */
  expects: boolean;
  /** Within the list of a FROM, so that a comma separates tables. */
  isInTables: boolean;
  /** It has a SELECT or another verb: FROM is not that of `extract(year FROM x)`. */
  hasVerb: boolean;
}

/** Reads the names of an SQL text without a parser: rather too many tables than too few. */
export function readNames(sql: string, hasBackslashes: boolean): SqlNames {
  return new NameReader(sql, hasBackslashes).read();
}

class NameReader {
  readonly #tables = new Set<string>();
  readonly #others = new Set<string>();
  readonly #calls = new Set<string>();
  /** Names that stand for a table or query within the text. */
  readonly #aliases = new Set<string>();
  /** Paths of several names, which are columns if they begin with an alias. */
  readonly #paths: string[][] = [];
  readonly #tokens: RegExpMatchArray[];
  #levels: Level[] = [];
  #level: Level = { expects: false, isInTables: false, hasVerb: true };

  /** MySQL executes some comments, and has a third kind of them. */
  readonly isOpaque: boolean;

  constructor(sql: string, hasBackslashes: boolean) {
    this.isOpaque = sql.includes('/*!') || (hasBackslashes && sql.includes('#'));
    this.#tokens = [...sql.matchAll((hasBackslashes ? BACKSLASHED_TOKENS : TOKENS)())].filter(
      ({ 0: text }) => !text.startsWith('/*') && !text.startsWith('--'),
    );
  }

  read(): SqlNames {
    let isOpaque = this.isOpaque;
    let isFirst = true;
    for (let i = 0; i < this.#tokens.length; i++) {
      const token = this.#tokens[i]!;
      const word = token.groups!['word']?.toLowerCase();
      if (isFirst && (word !== undefined || token.groups!['quoted'] !== undefined)) {
        isFirst = false;
        if (word !== undefined && TABLELESS.has(word)) isOpaque ||= word === 'create' || word === 'alter';
        else if (word === undefined || !READABLE.has(word)) isOpaque = true;
      }
      if (token[0] === ';') isFirst = true;
      i = this.#take(i, word);
    }
    for (const path of this.#paths) {
      const isColumn = path.slice(0, -1).some((name) => this.#aliases.has(name));
      if (!isColumn) this.#others.add(path.at(-1)!);
    }
    return { tables: this.#tables, others: this.#others, calls: this.#calls, isOpaque };
  }

  /** @returns the index of the last token that was taken */
  #take(i: number, word: string | undefined): number {
    const [text] = this.#tokens[i]!;
    if (text === '(') this.#open(i);
    else if (text === ')') this.#close();
    else if (text === ',') this.#level.expects = this.#level.isInTables;
    else if (text === ';') this.#level = { expects: false, isInTables: false, hasVerb: true };
    else if (word !== undefined && this.#takeKeyword(word, i)) return i;
    else if (word !== undefined || this.#tokens[i]!.groups!['quoted'] !== undefined) return this.#takePath(i);
    return i;
  }

  #open(i: number): void {
    const { expects } = this.#level;
    this.#levels.push(this.#level);
    // A derived table, or tables in parentheses.
    this.#level.expects = false;
    const before = this.#tokens[i - 1];
    const isCall = before !== undefined && this.#isName(before) && !expects;
    this.#level = { expects, isInTables: expects, hasVerb: !isCall };
  }

  #close(): void {
    this.#level = this.#levels.pop() ?? { expects: false, isInTables: false, hasVerb: true };
  }

  #takeKeyword(word: string, i: number): boolean {
    const level = this.#level;
    if (BEFORE_TABLE.has(word)) {
      const previous = this.#tokens[i - 1]?.[0].toLowerCase();
      // `x IS DISTINCT FROM y`, and `JOIN … USING (id)`.
      const isOperator = word === 'from' && previous === 'distinct' && this.#isAfterIs(i - 2);
      const isColumns = word === 'using' && this.#tokens[i + 1]?.[0] === '(';
      // `FOR UPDATE`, `ON DUPLICATE KEY UPDATE`, `DO UPDATE SET`.
      const isClause = word === 'update' && BEFORE_UPDATE.has(previous ?? '');
      if (!level.hasVerb || isOperator || isColumns || isClause) return true;
      level.expects = level.isInTables = true;
      return true;
    }
    if (AFTER_TABLES.has(word)) {
      level.expects = level.isInTables = false;
      if (word === 'select' || word === 'with') level.hasVerb = true;
      return true;
    }
    if (word === 'delete' || word === 'insert' || word === 'merge') level.hasVerb = true;
    return KEYWORDS.has(word);
  }

  #isAfterIs(i: number): boolean {
    const word = this.#tokens[i]?.[0].toLowerCase();
    return word === 'is' || (word === 'not' && this.#tokens[i - 1]?.[0].toLowerCase() === 'is');
  }

  #takePath(i: number): number {
    const path = [this.#nameOf(i)!];
    let at = i;
    while (this.#tokens[at + 1]?.[0] === '.' && this.#nameOf(at + 2) !== undefined) {
      path.push(this.#nameOf(at + 2)!);
      at += 2;
    }
    const next = this.#tokens[at + 1]?.[0];
    const last = path.at(-1)!;
    const level = this.#level;
    if (next === '(' && !level.expects) this.#calls.add(last);
    else if (level.expects) this.#takeTable(path, next, at);
    else if (path.length > 1) this.#paths.push(path);
    else this.#takeSingle(i, last);
    return at;
  }

  #takeTable(path: readonly string[], next: string | undefined, at: number): void {
    const last = path.at(-1)!;
    this.#level.expects = false;
    this.#aliases.add(last);
    if (next !== '(') this.#tables.add(last);
    // `FROM report(1)`; `INSERT INTO article (id)` names a table.
    else if (this.#isBehindInto(at - 2 * (path.length - 1))) this.#tables.add(last);
    else this.#calls.add(last);
  }

  #isBehindInto(i: number): boolean {
    return this.#tokens[i - 1]?.[0].toLowerCase() === 'into';
  }

  /** A name alone: an alias behind a table, a query or AS; else a column, or a common table expression. */
  #takeSingle(i: number, name: string): void {
    const before = this.#tokens[i - 1];
    const isAlias = this.#level.isInTables || before?.[0] === ')' || before?.[0].toLowerCase() === 'as';
    if (isAlias) this.#aliases.add(name);
    this.#others.add(name);
  }

  #isName(token: RegExpMatchArray): boolean {
    const word = token.groups!['word']?.toLowerCase();
    if (word === undefined) return token.groups!['quoted'] !== undefined;
    return !KEYWORDS.has(word) && !AFTER_TABLES.has(word) && !BEFORE_TABLE.has(word);
  }

  #nameOf(i: number): string | undefined {
    const token = this.#tokens[i];
    const quoted = token?.groups!['quoted'];
    if (quoted !== undefined) {
      const mark = quoted.at(-1)!;
      const name = quoted.slice(1, -1);
      return (mark === ']' ? name : name.replaceAll(mark + mark, mark)).toLowerCase();
    }
    return token?.groups!['word']?.toLowerCase();
  }
}

/** Names of common table expressions: `WITH name (columns) AS (`. */
const EXPRESSION = lazyRegExp(
  String.raw`(?:"(?<quoted>(?:[^"]|"")+)"|(?<word>[\p{L}_][\p{L}\p{N}_$]*))\s*(?:\([^)]*\)\s*)?\bas\s+(?:not\s+)?(?:materialized\s*)?\(`,
  'giu',
);

/** The names of the queries in the WITH of a text, in lower case. */
export function expressionsOf(sql: string): ReadonlySet<string> {
  if (!/\bwith\b/i.test(sql)) return NONE;
  return new Set(
    [...sql.matchAll(EXPRESSION())].map(({ groups }) =>
      (groups!['quoted'] ?? groups!['word'])!.toLowerCase(),
    ),
  );
}

const NONE: ReadonlySet<string> = new Set();

/** Quoted names, and literals and numbers outside of them. */
const VALUES = lazyRegExp(
  '(?<name>"(?:[^"]|"")*"|`[^`]*`|\\[[^\\]]*\\])' + String.raw`|'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b`,
  'g',
);
/** Texts with escapes, comments or dollar quotes, where an apostrophe may stand anywhere. */
const IS_IRREGULAR = /\\|--|\/\*|\$\w*\$|#/;

/** The text without numbers and literals: texts that differ by them alone read the same tables. */
export function shapeOfSql(sql: string): string {
  if (IS_IRREGULAR.test(sql)) return sql;
  return sql.replace(VALUES(), (value, name: string | undefined) =>
    name !== undefined ? value : value.startsWith("'") ? "''" : '0',
  );
}
