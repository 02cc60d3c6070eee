/** What may stand in `'…'` and `"…"`: marks that are doubled; on MySQL, and in `E'…'`, also those behind a backslash. */
const within = (mark: string, hasBackslashes: boolean): string =>
  hasBackslashes
    ? String.raw`${mark}(?:[^${mark}\\]|\\[^]|${mark}${mark})*${mark}`
    : `${mark}(?:[^${mark}]|${mark}${mark})*${mark}`;

/** Texts and quoted names in a statement: `'…'`, `"…"`, `$$…$$`, `$name$…$name$`. */
const quotedBy = (hasBackslashes: boolean): string =>
  [
    String.raw`\$((?:[\p{L}_][\p{L}\p{N}_]*)?)\$[^]*?\$\1\$`,
    String.raw`\be${within("'", true)}`,
    within("'", hasBackslashes),
    within('"', hasBackslashes),
  ].join('|');

const patternsOf = (hasBackslashes: boolean) => ({
  quoted: new RegExp(quotedBy(hasBackslashes), 'giu'),
  comments: new RegExp(String.raw`/\*[^]*?\*/|--.*|${quotedBy(hasBackslashes)}|` + '`[^`]*`', 'giu'),
});

const PLAIN = patternsOf(false);
const BACKSLASHED = patternsOf(true);

/** @param hasBackslashes whether a backslash in a text takes the mark behind it for a part of the text, as on MySQL */
export function withoutComments(sql: string, hasBackslashes: boolean): string {
  if (!sql.includes('/*') && !sql.includes('--')) return sql;
  const { comments } = hasBackslashes ? BACKSLASHED : PLAIN;
  return sql.replace(comments, (match) => (/^(?:--|\/\*)/.test(match) ? ' ' : match)).trimStart();
}

/** With empty texts and quoted names, in which nothing can be taken for a statement. */
export function withoutQuotes(sql: string, hasBackslashes: boolean): string {
  return sql.replace((hasBackslashes ? BACKSLASHED : PLAIN).quoted, "''");
}
