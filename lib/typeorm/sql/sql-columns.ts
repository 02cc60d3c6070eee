import { NAME, PATH, splitPath } from './sql-names.js';
import { withoutComments } from './sql-text.js';

/** `SET a = …, b.c = …`, `UPDATE a = …` of an upsert on MySQL. What is compared stands behind other words. */
const ASSIGNMENT = new RegExp(String.raw`(?:\b(?:set|update)\b|,)\s*(${PATH})\s*[-+*/%&|^]?=`, 'giu');
/** `SET (a, b) = …`. */
const ASSIGNMENTS = new RegExp(String.raw`(?:\bset\b|,)\s*\(([^)]*)\)\s*=`, 'giu');
const NAMES = new RegExp(NAME, 'giu');

/** The columns that a statement gives other values, in lower case, as far as it can be told without a parser. Rather too many. */
export function assignedColumns(sql: string): ReadonlySet<string> {
  const text = withoutComments(sql, false);
  const names = [...text.matchAll(ASSIGNMENT)].map(([, path]) => path!);
  const lists = [...text.matchAll(ASSIGNMENTS)].flatMap(([, list]) => list!.match(NAMES) ?? []);
  return new Set([...names, ...lists].map((path) => splitPath(path).at(-1)!));
}
