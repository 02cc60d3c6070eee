import type { KnownTables } from '../entities/tables.js';
import { lazyRegExp } from './transaction-control.js';
import { PATH_PATTERN, splitPath } from './written-tables.js';

const LITERALS = lazyRegExp(String.raw`'(?:[^']|'')*'|\b\d+\b`, 'g');
/** A name behind FROM or JOIN, or in the list of tables behind it. */
const READ = lazyRegExp(String.raw`\b(?:from|join)\s*(?:only\s+|lateral\s+)?(${PATH_PATTERN})`, 'giu');
const NEXT = lazyRegExp(
  String.raw`\s*(?:as\s+)?(?:${PATH_PATTERN})?\s*,\s*(?:only\s+|lateral\s+)?(${PATH_PATTERN})`,
  'iuy',
);

const MAX_REMEMBERED = 500;
const MAX_REMEMBERED_LENGTH = 8_000;

/** Reads which tables the statements of one DataSource read, for advice: of a view only its name. Texts recur, so results are remembered. */
export class TableReader {
  readonly #remembered = new Map<string, readonly string[]>();
  #tables: KnownTables | undefined;

  read(sql: string, tables: KnownTables): readonly string[] {
    if (tables !== this.#tables) {
      this.#tables = tables;
      this.#remembered.clear();
    }
    // Drivers of SQLite put numbers into the text.
    const text = sql.replace(LITERALS(), '0');
    const remembered = this.#remembered.get(text);
    if (remembered !== undefined) return remembered;
    const read = [...new Set(namesRead(text).flatMap((path) => tables.matching({ path: splitPath(path) })))];
    if (text.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(text, read);
    }
    return read;
  }
}

function namesRead(text: string): string[] {
  const names: string[] = [];
  for (const match of text.matchAll(READ())) {
    names.push(match[1]!);
    const next = NEXT();
    for (let at = match.index + match[0].length; ;) {
      next.lastIndex = at;
      const following = next.exec(text);
      if (following === null) break;
      names.push(following[1]!);
      at = next.lastIndex;
    }
  }
  return names;
}
