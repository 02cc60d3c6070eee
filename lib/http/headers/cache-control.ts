/** Directives of a Cache-Control header: lower-case names, arguments without quotes. */
export type CacheControlDirectives = ReadonlyMap<string, string | undefined>;

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** Directives that are obeyed even inside a malformed member (`no-store;`, `public private`). */
const RESTRICTING = new Set(['no-store', 'no-cache', 'private']);

/** Directives whose argument lists header fields. Without an argument they apply to the whole response. */
const FIELD_LISTS = new Set(['no-cache', 'private']);

/**
 * Parses Cache-Control (RFC 9111 §5.2): case-insensitive names, quoted and unquoted arguments. Of a repeated directive the first one counts
 * (§4.2.1), but of `no-cache` and `private` the most restrictive one.
 */
export function parseCacheControl(value: string | readonly string[] | undefined): CacheControlDirectives {
  const directives = new Map<string, string | undefined>();
  if (value === undefined) return directives;
  for (const member of splitList(typeof value === 'string' ? value : value.join(','))) {
    const equals = member.indexOf('=');
    const name = (equals < 0 ? member : member.slice(0, equals)).toLowerCase();
    if (!TOKEN.test(name)) addRestricting(directives, member);
    else addDirective(directives, name, equals < 0 ? undefined : unquote(member.slice(equals + 1)));
  }
  return directives;
}

/** The members of a list header, trimmed and not empty. A comma inside of quotes is part of a member (RFC 9110 §5.6.1). */
export function splitList(text: string): string[] {
  const members: string[] = [];
  let start = 0;
  let endsQuotes = true;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '"' && endsQuotes) {
      const end = endOfQuoted(text, at);
      // A quote that never ends is plain text: otherwise the members after it would be lost. Later quotes do not end either.
      if (end < 0) endsQuotes = false;
      else at = end;
    } else if (character === ',' || character === undefined) {
      const member = text.slice(start, at).trim();
      if (member !== '') members.push(member);
      start = at + 1;
    }
  }
  return members;
}

/** @returns the index where the quoted text that begins at `from` ends; -1 if it does not end */
function endOfQuoted(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function addDirective(
  directives: Map<string, string | undefined>,
  name: string,
  argument: string | undefined,
): void {
  if (!directives.has(name)) {
    directives.set(name, argument);
    return;
  }
  if (!FIELD_LISTS.has(name)) return;
  const first = directives.get(name);
  const isWhole = first === undefined || argument === undefined;
  directives.set(name, isWhole ? undefined : `${first},${argument}`);
}

function addRestricting(directives: Map<string, string | undefined>, member: string): void {
  for (const word of member.toLowerCase().split(/[^a-z-]+/)) {
    if (RESTRICTING.has(word)) directives.set(word, undefined);
  }
}

/** An argument without both quotes is taken literally. */
function unquote(argument: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(argument);
  return quoted === null ? argument : quoted[1]!.replace(/\\(.)/g, '$1');
}

/** Larger values count as this number of seconds (RFC 9111 §1.2.2). */
const MAX_DELTA_SECONDS = 2 ** 31;

/** The seconds of a directive such as `max-age`. Malformed values count as 0, that is stale (RFC 9111 §4.2.1). */
export function deltaSeconds(directives: CacheControlDirectives, name: string): number | undefined {
  if (!directives.has(name)) return undefined;
  return parseDelta(directives.get(name)) ?? 0;
}

/** Parses seconds (RFC 9111 §1.2.2): only digits; `undefined` for anything else. */
export function parseDelta(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  return Math.min(Number(text), MAX_DELTA_SECONDS);
}

/** Lower-case names of the fields that `no-cache="…"` or `private="…"` lists; empty without an argument. */
export function listedFields(directives: CacheControlDirectives, name: string): string[] {
  const argument = directives.get(name);
  return argument === undefined ? [] : splitList(argument.toLowerCase());
}

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const WEEKDAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})';

/** The format that is sent, and the two obsolete formats that must be read. */
const FORMATS = [
  new RegExp(`^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${WEEKDAY}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Parses an HTTP-date in any of its three formats (RFC 9110 §5.6.7), strictly: names and `GMT` are case-sensitive.
 *
 * @returns milliseconds since the epoch; `undefined` for anything else
 */
export function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  for (const format of FORMATS) {
    const groups = format.exec(trimmed)?.groups;
    if (groups !== undefined) return timeOf(groups);
  }
  return undefined;
}

function timeOf({ year, month, day, hour, minute, second }: Record<string, string>): number | undefined {
  const numbers = [day, hour, minute, second].map(Number) as [number, number, number, number];
  const [days, hours, minutes, seconds] = numbers;
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(fullYear(year!), MONTHS.indexOf(month!), days);
  // Date.UTC() would take the 31st of a month with 30 days for the 1st of the next one.
  if (date.getUTCDate() !== days) return undefined;
  return date.setUTCHours(hours, minutes, seconds);
}

/** A two-digit year that seems more than 50 years ahead is in the past (RFC 9110 §5.6.7). */
function fullYear(digits: string): number {
  if (digits.length === 4) return Number(digits);
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + Number(digits);
  return year > now + 50 ? year - 100 : year;
}
