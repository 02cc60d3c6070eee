import { createHash } from 'node:crypto';
import { GraphEncoder, guardEncoding } from './canonical.js';
import { coarseNumber } from './coarse-number.js';
import { coarseText } from './coarse-text.js';
import { quoteText, type Scalar } from './scalars.js';

/** Texts longer than this many characters are replaced by their hash. */
const MAX_LENGTH = 64;
/** Shorter than a UUID, and neither a number nor the word of a boolean: its own coarse spelling. */
const PLAIN = /^(?!true$|false$)[a-z][a-z0-9_-]{0,30}$/;
const RAW = /^[a-z0-9_.-]+$/;

/**
 * The spelling of a value in a partition *tag*, deliberately coarser than in a key, because the same id reaches us as
 * a number from the database and as a text, in any case and form, from a URL. Too coarse costs a load; too fine
 * would be a stale read.
 *
 * One spelling each: all texts of one integer or decimal (never rounded), of one moment, of one UUID; true, `'true'`
 * and 1; false, `'false'` and 0; null and undefined (which no text has); texts that differ in case, marks, width, or
 * space around them; a Buffer and its hexadecimal text. Arrays and objects member by member; names of classes and
 * absent members do not count.
 *
 * @param value what a partition field read, or what a change holds for it
 * @param sortLists whether the order of arrays makes no difference; default false
 * @returns one token as of `encodeValue`; texts over 64 characters are replaced by their SHA-256
 * @throws {UnencodableError} as `encodeValue` does
 *
 * @example
 * ```ts
 * coarseValue(' 042 ') === coarseValue(42n); // '42'
 * coarseValue('STRASSE') === coarseValue('Straße'); // 'strasse'
 * ```
 */
export function coarseValue(value: unknown, sortLists = false): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return `${value}`;
  if (typeof value === 'string' && PLAIN.test(value)) return value;
  const text = guardEncoding(new CoarseEncoder(sortLists), value);
  return text.length > MAX_LENGTH ? `#${createHash('sha256').update(text).digest('base64url')}` : text;
}

class CoarseEncoder extends GraphEncoder {
  protected override scalar(value: Scalar): string {
    switch (typeof value) {
      case 'string':
        return token(coarseText(value));
      case 'boolean':
        return value ? '1' : '0';
      case 'number':
      case 'bigint':
        return coarseNumber(`${value}`) ?? token(coarseText(`${value}`));
      default:
        return '~';
    }
  }

  protected override isAbsent(value: unknown): boolean {
    return value === undefined || value === null;
  }

  /** A set of one is its member: `?role=a&role=a` asks for what `?role=a` asks for. */
  protected override set(members: string[], className: string): string {
    const unique = [...new Set(members)];
    return unique.length === 1 ? unique[0]! : super.set(unique, className);
  }

  protected override leaf(_brand: string, _className: string, text: string): string {
    return token(coarseText(text));
  }

  /** Names of classes do not count; `@` is what stands before the members of an object. */
  protected override brand(kind: string): string {
    return kind === 'Array' ? '' : kind === '' ? '@' : kind;
  }
}

function token(text: string): string {
  return RAW.test(text) ? text : quoteText(text);
}
