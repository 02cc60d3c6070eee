/** Where a character may stand in a token, one bit each. */
const RAW_START = 1;
const RAW = 2;
const QUOTED = 4;
/** First letters of reserved words. */
const RESERVED_START = 8;

const CLASSES = new Uint8Array(128);
mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', RAW_START | RAW | QUOTED);
mark('0123456789_.-', RAW | QUOTED);
mark('~@+/:,$!', QUOTED);
mark('tfnNI', RESERVED_START);

/**
 * Encodes a text as one token of printable ASCII, without whitespace, glob characters, braces (Redis Cluster hash tags) or the
 * separators of keys. Words are unchanged; other texts are quoted, with `%XX` and `%uXXXX` for UTF-16 code units that must be escaped,
 * so that lone surrogates survive UTF-8 and no two texts have one token.
 *
 * Texts that look like another type (`'1'`, `'null'`) are quoted too.
 */
export function encodeText(text: string): string {
  const length = text.length;
  if (length === 0) return "''";
  const first = classOf(text.charCodeAt(0));
  let common = first | RAW;
  for (let index = 0; index < length; index++) common &= classOf(text.charCodeAt(index));
  if ((common & RAW) !== 0 && (first & RAW_START) !== 0) {
    return (first & RESERVED_START) !== 0 && isReserved(text) ? `'${text}'` : text;
  }
  return (common & QUOTED) !== 0 ? `'${text}'` : `'${escape(text)}'`;
}

/** Quotes any text, escaped as by {@link encodeText}. */
export function quoteText(text: string): string {
  return `'${escape(text)}'`;
}

/** Inverse of {@link encodeText}. */
export function decodeText(token: string): string {
  if (!token.startsWith("'")) return token;
  const unit = (_: string, long = '', short = ''): string => String.fromCharCode(parseInt(long || short, 16));
  return token.slice(1, -1).replace(/%u([0-9A-F]{4})|%([0-9A-F]{2})/g, unit);
}

/** Longer texts are escaped in pieces, as bytes: a text made of many thousand short ones is slow to make and to read. Characters. */
const PIECE = 1_024;

/** The longest escape, `%uXXXX`. */
const MOST_BYTES = 6;

const ESCAPED = Buffer.alloc(PIECE * MOST_BYTES);
const HEX = Buffer.from('0123456789ABCDEF');
const PERCENT = 0x25;
const LETTER_U = 0x75;

function escape(text: string): string {
  if (text.length <= PIECE) return escapePiece(text);
  const pieces: string[] = [];
  for (let index = 0; index < text.length; index += PIECE)
    pieces.push(escapeBytes(text, index, Math.min(index + PIECE, text.length)));
  return pieces.join('');
}

function escapeBytes(text: string, from: number, to: number): string {
  let length = 0;
  for (let index = from; index < to; index++) {
    const unit = text.charCodeAt(index);
    if ((classOf(unit) & QUOTED) !== 0) {
      ESCAPED[length++] = unit;
      continue;
    }
    ESCAPED[length++] = PERCENT;
    if (unit >= 0x100) {
      ESCAPED[length++] = LETTER_U;
      ESCAPED[length++] = HEX[unit >> 12]!;
      ESCAPED[length++] = HEX[(unit >> 8) & 15]!;
    }
    ESCAPED[length++] = HEX[(unit >> 4) & 15]!;
    ESCAPED[length++] = HEX[unit & 15]!;
  }
  return ESCAPED.toString('latin1', 0, length);
}

function escapePiece(text: string): string {
  let result = '';
  let copied = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if ((classOf(unit) & QUOTED) !== 0) continue;
    if (copied < index) result += text.slice(copied, index);
    result += escapeUnit(unit);
    copied = index + 1;
  }
  return result + text.slice(copied);
}

/** The escapes of ASCII, made once: an encoded text may hold thousands of one character. */
const ASCII_ESCAPES = Array.from({ length: 128 }, (_, unit) => escapeOf(unit));

function escapeUnit(unit: number): string {
  return ASCII_ESCAPES[unit] ?? escapeOf(unit);
}

function escapeOf(unit: number): string {
  const hex = unit.toString(16).toUpperCase();
  return unit < 0x100 ? `%${hex.padStart(2, '0')}` : `%u${hex.padStart(4, '0')}`;
}

function isReserved(word: string): boolean {
  return word === 'true' || word === 'false' || word === 'null' || word === 'NaN' || word === 'Infinity';
}

function classOf(unit: number): number {
  return unit < 128 ? CLASSES[unit]! : 0;
}

function mark(characters: string, bits: number): void {
  for (let index = 0; index < characters.length; index++) CLASSES[characters.charCodeAt(index)]! |= bits;
}

/** Values without members. */
export type Scalar = string | number | boolean | bigint | null | undefined;

/** Encodes a value without members: `1`, `1n`, `'1'`, `true`, `null`, `~` for undefined. */
export function encodeScalar(value: Scalar): string {
  switch (typeof value) {
    case 'string':
      return encodeText(value);
    case 'bigint':
      return `${value}n`;
    case 'undefined':
      return '~';
    default:
      return `${value}`;
  }
}
