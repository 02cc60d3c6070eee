import type { KeyConstructorInput, KeyPlan, MethodShape } from '../keys/index.js';
import type { CachePolicy, ValueContext } from './engine/call.js';
import type { Isolation, ValueHandling } from './values/isolation.js';
import type { TypeOption } from './values/classes.js';
import { CacheConfigurationError } from '../common/errors.js';
import { assertOptionTypes, describeOption, METHOD_OPTION_TYPES } from '../common/options.js';
import { parseDuration, type Duration } from '../common/time.js';
import type { MaybePromise } from '../stores/store.interface.js';

/** Options that `@CacheResult`, `@CacheResponse` and `getOrSet` share, as they were given. */
export interface CommonOptions {
  ttl?: Duration | ((value: never, context: ValueContext) => Duration) | undefined;
  cacheIf?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  cacheUnless?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  staleWhileRevalidate?: Duration | undefined;
  staleIfError?: Duration | undefined;
  refreshAhead?: number | undefined;
  jitter?: number | undefined;
  lock?: 'local' | 'distributed' | false | undefined;
  softTimeout?: Duration | undefined;
  hardTimeout?: Duration | undefined;
}

/** Their names: what everything that caches a value accepts. */
export const VALUE_OPTIONS = [
  'ttl',
  'cacheIf',
  'cacheUnless',
  'staleWhileRevalidate',
  'staleIfError',
  'refreshAhead',
  'jitter',
  'lock',
  'softTimeout',
  'hardTimeout',
] as const satisfies readonly (keyof CommonOptions)[];

/** A decorated method, normalised once when its decorator ran; frozen. Shared by all applications of the process. */
export interface MethodDefinition {
  readonly kind: 'result' | 'response';
  readonly methodName: string;
  /** The method's property, which may be a symbol. */
  readonly methodKey: string | symbol;
  /** The class it was declared in. */
  readonly declaredIn: Function;
  /** Where it was declared, for messages: `UsersService.find`. */
  readonly where: string;
  readonly original: (...args: never[]) => Promise<unknown>;
  readonly keyConstructor: KeyConstructorInput;
  /** The key constructor bound to the method; for handlers only at boot, when their routes are known. */
  readonly plan: (shape?: Partial<MethodShape>) => KeyPlan;
  /** Without `ttl` where the module's default applies. */
  readonly policy: Omit<CachePolicy, 'ttl'> & { readonly ttl: CachePolicy['ttl'] | undefined };
  readonly name: string | undefined;
  readonly store: string | undefined;
  readonly tags: ((...args: readonly unknown[]) => readonly string[]) | readonly string[] | undefined;
  readonly isolation: Isolation;
  /** How values are handled, where not by isolation: for handlers. */
  readonly values: ValueHandling | undefined;
  readonly type: TypeOption | undefined;
  /** Read by the invalidation room. */
  readonly rules: readonly unknown[];
  /** What to ask a handler for after a change, for rules that compute anew. */
  readonly rewarmRequest?: ((change: never) => unknown) | undefined;
  /** Read by the http room; only for handlers. */
  readonly response: unknown;
  /** Things to say at boot, when there is a logger. */
  readonly hints: readonly string[];
}

/** Turns the options every cached thing has into a policy. */
export function normalisePolicy(
  options: CommonOptions,
  where: string,
  hints: string[],
): MethodDefinition['policy'] {
  const { ttl, cacheIf, cacheUnless } = options;
  if (cacheIf !== undefined && cacheUnless !== undefined) {
    throw new CacheConfigurationError(
      'CACHE_CONDITION',
      `${where} has both cacheIf and cacheUnless. Keep one: cacheUnless: f is cacheIf: (value) => !f(value).`,
    );
  }
  const hint = (text: string): void => void hints.push(text);
  const softTimeout = timeout(options.softTimeout, `softTimeout of ${where}`);
  const hardTimeout = timeout(options.hardTimeout, `hardTimeout of ${where}`);
  if (hardTimeout === 0) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `hardTimeout of ${where} is ${describeOption(options.hardTimeout)}: no load would be waited for. Write how long one may take, e.g. ` +
        `'5s', or leave it out.`,
    );
  }
  if (softTimeout >= hardTimeout && softTimeout !== Infinity) {
    hint(`softTimeout of ${where} never counts: its hardTimeout is over first. Write a shorter softTimeout.`);
  }
  return {
    ttl:
      ttl === undefined
        ? undefined
        : typeof ttl === 'function'
          ? (ttl as CachePolicy['ttl'])
          : parseDuration(ttl, `ttl of ${where}`, hint),
    staleWhileRevalidate: window(options.staleWhileRevalidate, `staleWhileRevalidate of ${where}`, hint),
    staleIfError: window(options.staleIfError, `staleIfError of ${where}`, hint),
    refreshAhead: fraction(options.refreshAhead, `refreshAhead of ${where}`),
    jitter: fraction(options.jitter, `jitter of ${where}`),
    lock: lockOf(options.lock, where),
    softTimeout,
    hardTimeout,
    condition: condition(cacheIf, cacheUnless),
  };
}

function window(duration: Duration | undefined, where: string, hint: (text: string) => void): number {
  return duration === undefined ? 0 : parseDuration(duration, where, hint);
}

function timeout(duration: Duration | undefined, where: string): number {
  return duration === undefined ? Infinity : parseDuration(duration, where);
}

function fraction(value: number | undefined, where: string): number {
  if (value === undefined) return 0;
  if (typeof value === 'number' && value >= 0 && value < 1) return value;
  throw new CacheConfigurationError(
    'CACHE_OPTION',
    `${where} is ${describeOption(value)}. Write a fraction of the lifetime, from 0 to below 1: for example 0.8.`,
  );
}

function lockOf(lock: CommonOptions['lock'], where: string): CachePolicy['lock'] {
  if (lock === undefined) return 'local';
  if (lock === 'local' || lock === 'distributed' || lock === false) return lock;
  throw new CacheConfigurationError(
    'CACHE_OPTION',
    `lock of ${where} is ${describeOption(lock)}. Write 'local' (the default), 'distributed' or false.`,
  );
}

type Condition = NonNullable<CachePolicy['condition']>;

function condition(
  cacheIf: CommonOptions['cacheIf'],
  cacheUnless: CommonOptions['cacheUnless'],
): CachePolicy['condition'] {
  if (cacheIf !== undefined) return cacheIf as Condition;
  if (cacheUnless === undefined) return undefined;
  return async (value, context) => !(await (cacheUnless as Condition)(value, context));
}

/** @throws CacheConfigurationError for an option that is unknown, or not what it must be */
export function assertMethodOptions(options: object, known: ReadonlySet<string>, where: string): void {
  assertKnownOptions(options, known, where);
  assertOptionTypes(options, METHOD_OPTION_TYPES, where);
}

/** @throws CacheConfigurationError that lists the known options */
export function assertKnownOptions(options: object, known: ReadonlySet<string>, where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `${where}: the options are ${describeOption(options)}. Write an object: { ttl: '5m' }.`,
    );
  }
  const unknown = Object.keys(options).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new CacheConfigurationError(
    'CACHE_OPTION',
    `${where} has the unknown option ${unknown.join(', ')}. Known are: ${[...known].join(', ')}.`,
  );
}
