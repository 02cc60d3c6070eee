import type { OrmQueryRunner } from '../typeorm.interface.js';

/**
 * A regular expression that is built at its first use. V8 takes two milliseconds for those that read SQL, a twentieth of the time that
 * importing the library takes (`npm run bench -- start`).
 */
export function lazyRegExp(source: string, flags: string): () => RegExp {
  let built: RegExp | undefined;
  return () => (built ??= new RegExp(source, flags));
}

/** A literal or quoted name, in which its mark is doubled or, on MySQL and in `E'…'`, escaped by a backslash. */
const quotedText = (mark: string, hasBackslashes: boolean): string =>
  hasBackslashes
    ? String.raw`${mark}(?:[^${mark}\\]|\\[^]|${mark}${mark})*${mark}`
    : `${mark}(?:[^${mark}]|${mark}${mark})*${mark}`;

/** Literals and quoted names: `'…'`, `"…"`, `$$…$$`, `$name$…$name$`. */
const quotedBy = (hasBackslashes: boolean): string =>
  [
    String.raw`\$((?:[\p{L}_][\p{L}\p{N}_]*)?)\$[^]*?\$\1\$`,
    String.raw`\be${quotedText("'", true)}`,
    quotedText("'", hasBackslashes),
    quotedText('"', hasBackslashes),
  ].join('|');

const patternsOf = (hasBackslashes: boolean) => ({
  quoted: lazyRegExp(quotedBy(hasBackslashes), 'giu'),
  comments: lazyRegExp(String.raw`/\*[^]*?\*/|--.*|${quotedBy(hasBackslashes)}|` + '`[^`]*`', 'giu'),
});

const PLAIN = patternsOf(false);
const BACKSLASHED = patternsOf(true);

/** @param hasBackslashes whether a backslash escapes the next character of a literal, as on MySQL */
export function withoutComments(sql: string, hasBackslashes: boolean): string {
  if (!sql.includes('/*') && !sql.includes('--')) return sql;
  const { comments } = hasBackslashes ? BACKSLASHED : PLAIN;
  return sql.replace(comments(), (match) => (/^(?:--|\/\*)/.test(match) ? ' ' : match)).trimStart();
}

/** Empties literals and quoted names, so that nothing in them counts as a statement. */
export function withoutQuotes(sql: string, hasBackslashes: boolean): string {
  return sql.replace((hasBackslashes ? BACKSLASHED : PLAIN).quoted(), "''");
}

/** The effect of an SQL text on the transaction of its connection. */
export interface SqlControl {
  /** The last control statement; `undefined` where there is none. */
  readonly control: 'begin' | 'commit' | 'rollback' | 'savepoint' | undefined;
  /** True if it commits a transaction, even if it begins another one behind it: `COMMIT AND CHAIN`. */
  readonly commits: boolean;
  /** `off` on MySQL: a transaction begins whenever none is open. */
  readonly autocommit: 'on' | 'off' | undefined;
  /** True if it ends an open transaction on MySQL and Oracle, even when it fails itself. */
  readonly commitsImplicitly: boolean;
}

export const NO_CONTROL: SqlControl = {
  control: undefined,
  commits: false,
  autocommit: undefined,
  commitsImplicitly: false,
};

const BEGIN = String.raw`begin(?!\s+not\s+atomic)|start\s+transaction|xa\s+(?:begin|start)`;
const AUTOCOMMIT = String.raw`set\s(?:(?!\bglobal\b)[^;])*?\bautocommit\s*:?=\s*'?`;
const OFF = String.raw`(?:0|off|false)\b`;
const ON = String.raw`(?:1|on|true)\b`;
const CONTROL = lazyRegExp(
  String.raw`(?:^|;)\s*(?:` +
    [
      `(?<off>${AUTOCOMMIT}${OFF})`,
      `(?<on>${AUTOCOMMIT}${ON})`,
      String.raw`(?<begin>${BEGIN})\b`,
      String.raw`(?<commit>commit|end|xa\s+commit)\b`,
      String.raw`(?<savepoint>savepoint|release|rollback(?:\s+(?:work|tran|transaction))?\s+to)\b`,
      String.raw`(?<rollback>rollback|abort|xa\s+rollback)\b`,
    ].join('|') +
    String.raw`)(?<chain>(?:\s+(?:work|tran|transaction))?\s+and\s+chain\b)?`,
  'gi',
);
const COMMITS_IMPLICITLY = lazyRegExp(
  String.raw`(?:^|;)\s*(?:` +
    [
      String.raw`(?:create|drop)(?!\s+(?:or\s+replace\s+)?temporary\b)`,
      String.raw`truncate|alter|rename|grant|revoke|analyze|optimize|repair|flush|reset|install|uninstall`,
      String.raw`(?:lock|unlock|check)\s+tables?|(?:cache|load)\s+index|set\s+password`,
      BEGIN,
    ].join('|') +
    String.raw`)\b`,
  'i',
);
const OPENING = lazyRegExp(
  String.raw`^(?:\s|--.*|/\*[^]*?\*/)*(?:(?:${BEGIN}|savepoint)\b|${AUTOCOMMIT}${OFF})`,
  'i',
);
const WORTH_A_LOOK = /begin|transaction|commit|end|rollback|abort|savepoint|release|\bxa\b/i;

/** True if the text may begin a transaction: a SAVEPOINT does on SQLite. Asked before every query, so only its beginning is read. */
export function opensTransaction(sql: string): boolean {
  return OPENING().test(sql);
}

/**
 * @param sql without comments
 * @param hasBackslashes see {@link withoutQuotes}
 */
export function readControl(sql: string, hasBackslashes: boolean): SqlControl {
  const text = sql.includes(';') ? withoutQuotes(sql, hasBackslashes) : sql;
  const commitsImplicitly = COMMITS_IMPLICITLY().test(text);
  let { control, commits, autocommit } = NO_CONTROL;
  // The last control statement decides.
  for (const { groups } of WORTH_A_LOOK.test(text) ? text.matchAll(CONTROL()) : []) {
    const { off, on, begin, commit, savepoint, chain } = groups!;
    const isCommit = (on ?? commit) !== undefined;
    commits ||= isCommit;
    if (savepoint !== undefined) control ??= 'savepoint';
    else if ((off ?? begin ?? chain) !== undefined) control = 'begin';
    else control = isCommit ? 'commit' : 'rollback';
    if (off !== undefined) autocommit = 'off';
    else if (on !== undefined) autocommit = 'on';
  }
  if (control === undefined && !commitsImplicitly) return NO_CONTROL;
  return { control, commits, autocommit, commitsImplicitly };
}

const SAVEPOINTS =
  /\b(?:(?<set>savepoint)|(?<release>release(?:\s+savepoint)?)|rollback(?:\s+transaction)?\s+to(?:\s+savepoint)?)\s+(?<name>"[^"]*"|'[^']*'|`[^`]*`|\[[^\]]*\]|[\p{L}\p{N}_$]+)/giu;

/**
 * The savepoints that are open after a text, from those before it.
 * @param open their names, the outermost first
 */
export function openSavepoints(sql: string, open: readonly string[]): readonly string[] {
  let names = open;
  for (const { groups } of withoutComments(sql, false).matchAll(SAVEPOINTS)) {
    const { set, release, name } = groups!;
    const plain = name!.replace(/^["'`[]|["'`\]]$/g, '').toLowerCase();
    const at = names.lastIndexOf(plain);
    if (set !== undefined) names = [...names, plain];
    else if (at >= 0) names = names.slice(0, release === undefined ? at + 1 : at);
  }
  return names;
}

const SAVEPOINT = 'restflow';

/**
 * Does work inside an open transaction, which stays usable when the work fails.
 * @param isAlone whether no other statement ran on the runner meanwhile: rolling back to the savepoint would undo it
 */
export async function inSavepoint<T>(
  runner: OrmQueryRunner,
  work: () => Promise<T>,
  isAlone: () => boolean = () => true,
): Promise<T> {
  await runner.query(`SAVEPOINT ${SAVEPOINT}`);
  try {
    const answer = await work();
    await runner.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
    return answer;
  } catch (error) {
    if (isAlone()) await runner.query(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`);
    throw error;
  }
}
