import { createHash } from 'node:crypto';
import { GraphEncoder, guardEncoding } from './canonical.js';
import { quoteText, type Scalar } from './scalars.js';

/** Texts longer than this many characters are replaced by their hash. */
const MAX_LENGTH = 64;
/** Texts that are normalised already: shorter than a UUID, and neither a number nor a boolean. */
const PLAIN = /^(?!true$|false$)[a-z][a-z0-9_-]{0,30}$/;
const RAW = /^[a-z0-9_.-]+$/;

/**
 * Encodes a value for a partition *tag*, deliberately coarser than for a key: the same id comes as a number from the database and as a
 * text, in any case and form, from a URL. A tag that is too coarse costs a load; one that is too fine leaves a stale entry.
 *
 * Equal are: all texts of one integer or decimal (never rounded), of one moment, of one UUID; true, `'true'` and 1; false, `'false'` and
 * 0; null and undefined (but no text); texts that differ in case, marks, width, or space around them; a Buffer and its hexadecimal
 * text. Arrays and objects are compared member by member, without names of classes and absent members.
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

  /** A set of one is its member: `?role=a&role=a` equals `?role=a`. */
  protected override set(members: string[], className: string): string {
    const unique = [...new Set(members)];
    return unique.length === 1 ? unique[0]! : super.set(unique, className);
  }

  protected override leaf(_brand: string, _className: string, text: string): string {
    return token(coarseText(text));
  }

  /** Without the names of classes. */
  protected override brand(kind: string): string {
    return kind === 'Array' ? '' : kind === '' ? '@' : kind;
  }
}

function token(text: string): string {
  return RAW.test(text) ? text : quoteText(text);
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?)(\d+))?$/;
const RADIX = /^0(?:x[0-9a-f]{1,64}|o[0-7]{1,64}|b[01]{1,64})$/;

/** Numbers with a larger exponent are written with an exponent. */
const WRITTEN_OUT = 30;

/**
 * Normalises a number in lower-case text (`'042'`, `'+42'`, `'42.0'`, `'4.2e1'`, `'0x2a'` → `'42'`), digit by digit, so that nothing is
 * rounded; `undefined` if the text is not a number.
 */
export function coarseNumber(text: string): string | undefined {
  if (RADIX.test(text)) return normalise('', BigInt(text).toString(), 0);
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponentSign = '', exponentDigits = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const exponent = exponentDigits.replace(/^0+/, '');
  // No number type holds an exponent of ten digits: the text stays a text, unless the number is zero.
  if (exponent.length > 9) return /[1-9]/.test(whole + fraction) ? undefined : '0';
  const power = Number(exponent || 0) * (exponentSign === '-' ? -1 : 1) - fraction.length;
  return normalise(sign === '-' ? '-' : '', whole + fraction, power);
}

function normalise(sign: string, digits: string, power: number): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  if (end === 0) return '0';
  let start = 0;
  while (digits[start] === '0') start++;
  const significant = digits.slice(start, end);
  const exponent = power + digits.length - end;
  if (exponent >= 0 && exponent <= WRITTEN_OUT) return sign + significant + '0'.repeat(exponent);
  if (exponent < 0 && exponent >= -WRITTEN_OUT) {
    const padded = significant.padStart(1 - exponent, '0');
    return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
  }
  return `${sign}${significant}e${exponent}`;
}

/** Letters that databases treat as equal to plain ones, though Unicode does not decompose them. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ħ: 'h',
  ł: 'l',
  þ: 'th',
  ŧ: 't',
  ς: 'σ',
};
const SPECIAL_LETTERS = new RegExp(`[${Object.keys(PLAIN_LETTERS).join('')}]`, 'g');

/** A UUID as Postgres reads one: hyphens after any group of four digits, braces around it. */
const UUID = /^\{?[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}\}?$/;
const DATE = /^(\d{4}-\d\d-\d\d)(?:[t ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?(z|[+-]\d\d(?::?\d\d)?)?)?$/;

/**
 * Normalises a text: numbers, dates, booleans and UUIDs to one spelling each; other texts are trimmed, case-folded and stripped of
 * marks.
 */
export function coarseText(text: string): string {
  let folded = foldText(text);
  if (folded === 'true') return '1';
  if (folded === 'false') return '0';
  if (folded.length >= 32 && UUID.test(folded)) folded = folded.replace(/[{}-]/g, '');
  return coarseNumber(folded) ?? coarseDate(folded) ?? folded;
}

/** Trims, folds case (ß is ss), decomposes (NFKD) and strips marks, control and format characters. */
function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cc}\p{Cf}]/gu, '')
    .replace(SPECIAL_LETTERS, (letter) => PLAIN_LETTERS[letter]!)
    .trim();
}

/**
 * Normalises a date in a text to ISO 8601 in milliseconds. As for `new Date(text)`, a date alone is midnight UTC, and a time without a
 * zone is local.
 */
function coarseDate(text: string): string | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, day, time, zone = ''] = match;
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const milliseconds = Date.parse(time === undefined ? day! : `${day}T${time}${offset.toUpperCase()}`);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}
