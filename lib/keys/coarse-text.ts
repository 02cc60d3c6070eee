import { coarseNumber } from './coarse-number.js';

/** Letters that databases compare as their plain ones, though Unicode does not decompose them. */
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
 * The one spelling of everything a text may spell: numbers, dates, booleans, UUIDs; other texts trimmed, case-folded
 * and without marks.
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
 * The ISO spelling of the moment that a text spells, to the millisecond; a date alone is midnight UTC, a time without
 * a zone is local, both as `new Date(text)` reads them.
 */
function coarseDate(text: string): string | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, day, time, zone = ''] = match;
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const milliseconds = Date.parse(time === undefined ? day! : `${day}T${time}${offset.toUpperCase()}`);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}
