import { CacheConfigurationError, CacheUsageError } from './errors.js';
import { describe, isClass, nearestNames } from './messages.js';

/** One option: a test of its value, the text after "Write" in the error, and an error code if the table's does not apply. */
export type OptionRow = readonly [isValid: (value: unknown) => boolean, write: string, code?: string];

/** The rows of all options of `T`. */
export type OptionRows<T extends object> = { readonly [Name in keyof T]-?: OptionRow };

/** Everything that is checked about the options of one function, decorator or dispatcher. */
export interface OptionTable<T extends object> {
  readonly rows: OptionRows<T>;
  /** Shown where the options are not an object. */
  readonly example: string;
  /** Options without a default. */
  readonly required?: readonly (keyof T & string)[];
  readonly exclusive?: readonly ExclusiveOptions<T>[];
  /** Default: a CacheConfigurationError with the code of the row, or else CACHE_OPTION. */
  readonly error?: (message: string, code?: string) => Error;
}

/** Options of which at most one may be given. */
export interface ExclusiveOptions<T extends object> {
  readonly names: readonly (keyof T & string)[];
  /** True if one of them must be given. */
  readonly isRequired?: boolean;
  /** The text after "Write" in the error. */
  readonly advice?: string;
  readonly code?: string;
}

/**
 * Checks options against their table.
 *
 * @param where the function, or decorator and method, for messages; empty where the caller adds it
 * @throws the table's error, for options that are unknown, missing, of the wrong type, or exclude each other
 */
export function checkOptions<T extends object>(table: OptionTable<T>, given: unknown, where: string): void {
  const { error = configurationError, required = [], exclusive = [], example } = table;
  const rows = table.rows as Readonly<Record<string, OptionRow>>;
  const fail = (problem: string, code?: string): never => {
    throw error(where === '' ? problem : `${where}: ${problem}`, code);
  };
  if (!isRecord(given)) return fail(`the options are ${describe(given)}. Write ${example}.`);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(rows, name));
  if (unknown.length > 0) fail(unknownOptions(unknown, Object.keys(rows)));
  for (const [name, [isValid, write, code]] of Object.entries(rows)) {
    const value = given[name];
    if (value === undefined ? !required.includes(name as keyof T & string) : isValid(value)) continue;
    fail(`${name} is ${name in given ? describe(value) : 'missing'}. Write ${write}.`, code);
  }
  for (const { names, isRequired = false, advice = 'Keep one.', code } of exclusive) {
    const chosen = names.filter((name) => given[name] !== undefined);
    if (chosen.length > 1) fail(`${chosen.join(' and ')} exclude each other. ${advice}`, code);
    if (chosen.length === 0 && isRequired)
      fail(`one of ${names.join(', ')} is missing. Write ${example}.`, code);
  }
}

/** The problem and its solution, for a message. */
export function unknownOptions(unknown: readonly string[], known: readonly string[]): string {
  const nearest = unknown.flatMap((name) => nearestNames(name, known).slice(0, 1));
  const hint = nearest.length === 0 ? '' : `Did you mean ${nearest.join(', ')}? `;
  return `unknown option ${unknown.join(', ')}. ${hint}Known options: ${known.join(', ')}.`;
}

function configurationError(message: string, code = 'CACHE_OPTION'): Error {
  return new CacheConfigurationError(code, message);
}

/** The error of tables whose functions throw TypeErrors, as those of stores do. */
export function typeError(message: string): Error {
  return new TypeError(message);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

export function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

export function isList(value: unknown): boolean {
  return Array.isArray(value);
}

export function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

/** A function that is not a class. */
export function isFunction(value: unknown): boolean {
  return typeof value === 'function' && !isClass(value);
}

/** A class, or a function that may return one. */
export function isClassOrFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** A function that is not async: its caller cannot wait, and a promise is never false. */
export function isSync(value: unknown): boolean {
  return isFunction(value) && Object.prototype.toString.call(value) !== '[object AsyncFunction]';
}

/** A test for whole numbers that are not smaller. */
export function isWholeFrom(least: number): (value: unknown) => boolean {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least;
}

/** Rows that several tables have. */
export const flag: OptionRow = [isBoolean, 'true or false'];
export const positive: OptionRow = [isWholeFrom(1), 'a positive whole number'];
export const text: OptionRow = [isText, 'a text that is not empty'];
export const record: OptionRow = [isRecord, 'an object'];
export const tags: OptionRow = [
  (value: unknown): boolean => isFunction(value) || isTextList(value),
  `a list of texts, e.g. ['users'], or a function of the arguments that returns one`,
];

/** Checked by the function that parses it, which has its own message and code: durations, keys. */
export const parsed: OptionRow = [(): boolean => true, ''];

/** @param values the first is the default */
export function oneOf(values: readonly (string | boolean)[], code?: string): OptionRow {
  const words = values.map(describe);
  words[0] += ' (the default)';
  const write = [words.slice(0, -1).join(', '), words.at(-1)].join(' or ');
  return [(value) => values.includes(value as string), write, code];
}

/** @throws CacheUsageError for anything but a list of texts: JavaScript would iterate the letters of one text */
export function assertTexts(method: string, what: 'tags' | 'keys', given: unknown): void {
  if (isTextList(given)) return;
  throw new CacheUsageError(
    what === 'tags' ? 'CACHE_TAGS' : 'CACHE_KEY',
    `${method}() was given the ${what} ${describe(given)}. Write a list of texts that are not empty: ` +
      `${method}(['${what === 'tags' ? 'orders' : 'orders:total'}']).`,
  );
}

/** @throws CacheUsageError for a value instead of the function that loads it */
export function assertLoader(loader: unknown, what: string): void {
  if (typeof loader === 'function') return;
  throw new CacheUsageError(
    'CACHE_LOADER',
    `The loader of ${what} is ${describe(loader)}. Write a function that loads: () => this.orders.total().`,
  );
}

/** @throws CacheUsageError for an unknown mode: a misspelt 'purge' must not become an expire */
export function assertMode(method: string, mode: unknown): void {
  if (mode === 'purge' || mode === 'expire') return;
  throw new CacheUsageError(
    'CACHE_MODE',
    `${method}() was given mode ${describe(mode)}. Write 'purge' (the default) or 'expire'.`,
  );
}
