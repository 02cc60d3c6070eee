/** A text in a statement: `'…'`, `$$…$$`, `$name$…$name$`. */
const TEXT = String.raw`\$((?:[\p{L}_][\p{L}\p{N}_]*)?)\$[^]*?\$\1\$|'(?:[^']|'')*'`;
const QUOTED = new RegExp(String.raw`${TEXT}|"(?:[^"]|"")*"`, 'giu');
const COMMENTS = new RegExp(String.raw`/\*[^]*?\*/|--.*|${TEXT}|"(?:[^"]|"")*"|` + '`[^`]*`', 'giu');

export function withoutComments(sql: string): string {
  if (!sql.includes('/*') && !sql.includes('--')) return sql;
  return sql.replace(COMMENTS, (match) => (/^(?:--|\/\*)/.test(match) ? ' ' : match)).trimStart();
}

/** With empty texts and quoted names, in which nothing can be taken for a statement. */
export function withoutQuotes(sql: string): string {
  return sql.replace(QUOTED, "''");
}
