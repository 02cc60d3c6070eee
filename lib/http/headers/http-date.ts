const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const WEEKDAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})';

/** The one format that is sent, and the two obsolete ones that are still to be read. */
const FORMATS = [
  new RegExp(`^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${WEEKDAY}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Reads an HTTP-date in any of its three formats (RFC 9110 §5.6.7), to the letter: names and `GMT` are case-sensitive.
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
  // The 31st of a month that has 30 days would be the 1st of the next.
  if (date.getUTCDate() !== days) return undefined;
  return date.setUTCHours(hours, minutes, seconds);
}

/** A year of two digits that seems more than 50 years ahead is the last one that ended so. */
function fullYear(digits: string): number {
  if (digits.length === 4) return Number(digits);
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + Number(digits);
  return year > now + 50 ? year - 100 : year;
}
