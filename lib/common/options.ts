import { CacheConfigurationError, CacheUsageError } from './errors.js';

/** Option → what it must be, as a test and in words. */
export type OptionTypes = Readonly<
  Record<string, readonly [test: (value: unknown) => boolean, words: string]>
>;

/** @throws CacheConfigurationError for an option that is given and is not what it must be */
export function assertOptionTypes(options: object, types: OptionTypes, where: string): void {
  for (const [name, value] of Object.entries(options)) {
    const type = types[name];
    if (value === undefined || type === undefined || type[0](value)) continue;
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `${where}: ${name} is ${describeOption(value)}. Write ${type[1]}.`,
    );
  }
}

/** A value as it may stand in a message. */
export function describeOption(value: unknown): string {
  if (typeof value === 'function') {
    if (isClass(value)) return `the class ${value.name}`;
    return isAsync(value) ? 'an async function' : 'a function';
  }
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(describeOption).join(', ')}]`;
  const { name } = (value.constructor ?? Object) as Function;
  return name === 'Object' ? 'an object' : `an instance of ${name}`;
}

function isAsync(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncFunction]';
}

function isClass(value: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

export function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

export function isFunction(value: unknown): boolean {
  return typeof value === 'function' && !isClass(value);
}

/** A function that is not async: what asks it cannot wait, and a promise is never false. */
export function isSync(value: unknown): boolean {
  return isFunction(value) && !isAsync(value);
}

export function isTags(value: unknown): boolean {
  return isFunction(value) || (Array.isArray(value) && value.every(isText));
}

/** The options of cached methods and of values cached by hand that are not durations and are no key. */
export const METHOD_OPTION_TYPES: OptionTypes = {
  name: [isText, `a text that is not empty, e.g. 'users-by-id'`],
  store: [isText, `the name of one of forRoot({ stores }), e.g. 'bulk'`],
  cacheIf: [isFunction, 'a function: (value) => boolean'],
  cacheUnless: [isFunction, 'a function: (value) => boolean'],
  tags: [isTags, `a list of texts, e.g. ['users'], or a function of the arguments that returns one`],
  type: [isFunction, 'a function that returns the classes: () => UserDto'],
  invalidatesOn: [Array.isArray, 'a list: [Article] or [invalidates(Article, { … })]'],
};

/** @throws CacheUsageError for what is no list of texts: one text alone is a list of letters to JavaScript */
export function assertTexts(method: string, what: 'tags' | 'keys', given: unknown): void {
  if (Array.isArray(given) && given.every(isText)) return;
  throw new CacheUsageError(
    what === 'tags' ? 'CACHE_TAGS' : 'CACHE_KEY',
    `${method}() was given the ${what} ${describeOption(given)}. Write a list of texts that are not empty: ` +
      `${method}(['${what === 'tags' ? 'orders' : 'orders:total'}']).`,
  );
}

/** @throws CacheUsageError for a value in place of what loads it */
export function assertLoader(loader: unknown, what: string): void {
  if (typeof loader === 'function') return;
  throw new CacheUsageError(
    'CACHE_LOADER',
    `The loader of ${what} is ${describeOption(loader)}. Write a function that loads: () => this.orders.total().`,
  );
}

/** @throws CacheUsageError for another mode than there are: a misspelt one must not expire what was to be purged */
export function assertMode(method: string, mode: unknown): void {
  if (mode === 'purge' || mode === 'expire') return;
  throw new CacheUsageError(
    'CACHE_MODE',
    `${method}() was given mode ${describeOption(mode)}. Write 'purge' (the default) or 'expire'.`,
  );
}

/**
 * @param store how the store is written, e.g. `redisStore`
 * @throws TypeError for what is no object, and for unknown options
 */
export function assertStoreOptions(
  store: string,
  options: unknown,
  known: readonly string[],
  example: string,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${store}() was given ${JSON.stringify(options)}. Write ${store}(${example}).`);
  }
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new TypeError(
    `${store}() has the unknown option ${unknown.join(', ')}. Known are: ${known.join(', ')}.`,
  );
}
