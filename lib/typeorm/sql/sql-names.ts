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
