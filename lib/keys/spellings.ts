import { encodeText } from './scalars.js';

/**
 * How a database compares a column with a text of a reader. It decides which texts surely find only rows whose value has the reader's
 * own partition tag:
 *
 * - `integer`, `decimal`, `real` (6 digits), `double` (15 digits), `boolean`, `uuid`, `date`, `time`: the form that the column returns;
 * - `moment`: a Date, or a text with its zone; `instant`: a Date only;
 * - `text`: every text, since the database compares byte by byte;
 * - `folded`: ASCII, since a collation ignores case, marks and more;
 * - `unknown` column, or of another process: an integer or a UUID; `opaque` type: nothing.
 */
export type Spelling =
  | 'integer'
  | 'decimal'
  | 'real'
  | 'double'
  | 'boolean'
  | 'uuid'
  | 'date'
  | 'time'
  | 'moment'
  | 'instant'
  | 'text'
  | 'folded'
  | 'unknown'
  | 'opaque';

/** Up to 15 digits: some databases compare numbers in texts as doubles. */
const INTEGER = /^(?:0|-?[1-9]\d{0,14})$/;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const NUMBER = /^-?\d+(?:\.\d+)?$/;
const ZONED = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)$/;
/** Texts that databases read as another moment each time. */
const RELATIVE = /^\s*(?:now|today|tomorrow|yesterday)\b/i;

type IsCanonical = (value: string | number | bigint | boolean | Date) => boolean;

const matches =
  (pattern: RegExp): IsCanonical =>
  (value) =>
    !(value instanceof Date) && pattern.test(String(value));
const hasDigits =
  (most: number): IsCanonical =>
  (value) => {
    const text = String(value);
    return NUMBER.test(text) && text.replace(/^-?0*\.?0*|\./g, '').length <= most;
  };
const isDate: IsCanonical = (value) => value instanceof Date;

const CANONICAL: Readonly<Record<Spelling, IsCanonical>> = {
  integer: matches(/^(?:0|-?[1-9]\d{0,14}|true|false)$/),
  decimal: hasDigits(15),
  real: hasDigits(6),
  double: hasDigits(15),
  boolean: matches(/^(?:true|false|[01])$/),
  uuid: matches(UUID),
  date: matches(/^\d{4}-\d\d-\d\d$/),
  time: matches(/^\d\d:\d\d:\d\d$/),
  moment: (value) => value instanceof Date || matches(ZONED)(value),
  instant: isDate,
  text: (value) => !(value instanceof Date),
  folded: (value) => typeof value === 'string' && /^[\x20-\x7e]*$/.test(value),
  unknown: (value) => matches(INTEGER)(value) || matches(UUID)(value),
  opaque: () => false,
};

const READS_MOMENTS: ReadonlySet<Spelling> = new Set([
  'date',
  'time',
  'moment',
  'instant',
  'unknown',
  'opaque',
]);

/** Whether the rows that a reader's value finds surely have its partition tag. */
export function isCanonical(spelling: Spelling, value: unknown): boolean {
  if (typeof value === 'number' && spelling === 'integer') return Number.isSafeInteger(value);
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return value.every((member) => isCanonical(spelling, member));
  if (value instanceof Set) return isCanonical(spelling, [...value]);
  if (typeof value === 'object' && !(value instanceof Date)) return false;
  return CANONICAL[spelling](value as never);
}

/** Whether a reader's value stands for another moment each time that it is asked for: `today`. */
export function isRelative(spelling: Spelling, value: unknown): boolean {
  if (!READS_MOMENTS.has(spelling)) return false;
  if (Array.isArray(value)) return value.some((member) => isRelative(spelling, member));
  return typeof value === 'string' && RELATIVE.test(value);
}

/** The tag of entries whose values of these partition fields have an unusual spelling. Tags of values begin with a name, not with `*`. */
export function anySpelling(fields: Iterable<string>): string {
  return `*${[...fields].sort().map(encodeText).join('&')}`;
}

/** Other ASCII spellings of letters, in the collations of MySQL and MariaDB that have no word of their own for plain ASCII. */
const ASCII_TWINS: Readonly<Partial<Record<string, readonly string[]>>> = {
  ß: ['s'],
  æ: ['a'],
  ä: ['ae'],
  ö: ['oe'],
  ü: ['ue', 'y'],
  ű: ['y'],
  å: ['aa'],
};
/** Characters that some collation takes for ASCII, by rules that differ too much: digits and rare letters. */
const UNUSUAL = new RegExp(
  [
    String.raw`(?!\p{ASCII})\p{N}`,
    String.raw`[\u013f\u0140\u0180-\u02ff\u0622\u1d00-\u1d7f]`,
    String.raw`\u0345|[\u0363-\u036f]|\u06de|[\u0820-\u082f]|[\u1cd0-\u1cff]|\u1dca|[\u1dd3-\u1df4]`,
    String.raw`[\u1efa-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\ufc00-\ufe7f\u{1f100}-\u{1f1ff}]`,
  ].join('|'),
  'u',
);
const MAX_TWINS = 8;

/**
 * The texts that a stored text may be found by, itself first, as far as their partition tags differ. A reader's text that is not ASCII
 * has the tag of any spelling, so only ASCII twins count: `Müller` is `mueller` or `myller` in some collations.
 *
 * @returns `undefined` where they are too many, or not known
 */
export function spellingsOf(stored: unknown): readonly unknown[] | undefined {
  if (typeof stored !== 'string' || /^\p{ASCII}*$/u.test(stored)) return [stored];
  const text = stored.normalize('NFC').toLowerCase();
  if (UNUSUAL.test(text)) return undefined;
  let found = [''];
  for (const letter of text) {
    const twins = ASCII_TWINS[letter];
    found = found.flatMap((head) => [letter, ...(twins ?? [])].map((twin) => head + twin));
    if (found.length > MAX_TWINS) return undefined;
  }
  return found;
}
