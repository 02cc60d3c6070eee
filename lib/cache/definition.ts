import type { KeyConstructorInput, KeyPlan, MethodShape } from '../keys/index.js';
import type { CachePolicy, ValueContext, VerifyMethod } from './engine/call.js';
import type { Isolation, ValueHandling } from './values/isolation.js';
import type { TypeOption } from './values/classes.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import {
  type ExclusiveOptions,
  isFunction,
  isList,
  isRecord,
  isSync,
  isText,
  isWholeFrom,
  oneOf,
  type OptionRow,
  type OptionRows,
  parsed,
  tags,
} from '../common/options.js';
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
  verify?: VerifyMethod | undefined;
  valueTags?: ((value: never, context: ValueContext) => readonly string[]) | undefined;
}

const predicate: OptionRow = [isFunction, 'a function: (value) => boolean'];
const fraction: OptionRow = [
  (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < 1,
  'a fraction of the lifetime, from 0 to below 1, e.g. 0.8',
];

/** Options that everything accepts which caches a value. */
export const VALUE_OPTIONS: OptionRows<CommonOptions> = {
  ttl: parsed,
  cacheIf: predicate,
  cacheUnless: predicate,
  staleWhileRevalidate: parsed,
  staleIfError: parsed,
  refreshAhead: fraction,
  jitter: fraction,
  lock: oneOf(['local', 'distributed', false]),
  softTimeout: parsed,
  hardTimeout: parsed,
  valueTags: [isSync, `a synchronous function: (orders) => orders.map(({ id }) => \`order:\${id}\`)`],
  verify: [
    (value: unknown): boolean => value === false || (isRecord(value) && isFunction(value['equals'])),
    'false, or { equals: (served, loaded) => boolean }',
  ],
};

/** Further options of cached methods, handlers and values cached by hand. */
export const METHOD_OPTIONS = {
  keyConstructor: parsed,
  name: [isText, `a text that is not empty, e.g. 'users-by-id'`],
  store: [isText, `the name of one of forRoot({ stores }), e.g. 'bulk'`],
  tags,
  type: [isFunction, 'a function that returns the classes: () => UserDto'],
  isolation: oneOf(['clone', 'freeze', 'none'], 'CACHE_ISOLATION'),
  maxValueBytes: [isWholeFrom(1), 'a positive whole number of bytes'],
  invalidatesOn: [
    (value) => value === 'auto' || isList(value),
    `'auto', or a list: [Article], [invalidates(Article, { … })], ['auto', invalidates(…)]`,
  ],
} satisfies Record<string, OptionRow>;

export const ONE_CONDITION: ExclusiveOptions<CommonOptions> = {
  names: ['cacheIf', 'cacheUnless'],
  advice: 'Keep one: cacheUnless: f is cacheIf: (value) => !f(value).',
  code: 'CACHE_CONDITION',
};

/** Makes tags from a loaded value. */
export type ValueTags = (value: unknown, context: ValueContext) => readonly string[];

/** A method that returns many items, each of which is cached by itself. */
export interface ItemsDefinition {
  /** Property of an item that holds its id. */
  readonly key: string;
  /** The decorated method. */
  readonly loadAll: (...args: never[]) => Promise<unknown>;
}

/** A decorated method. Made once by its decorator, frozen, and shared by all applications of the process. */
export interface MethodDefinition {
  readonly kind: 'result' | 'response';
  readonly methodName: string;
  /** The method's property, which may be a symbol. */
  readonly methodKey: string | symbol;
  /** The class it was declared in. */
  readonly declaredIn: Function;
  /** Its class and name in messages: `UsersService.find`. */
  readonly where: string;
  readonly original: (...args: never[]) => Promise<unknown>;
  readonly keyConstructor: KeyConstructorInput;
  /** The key constructor bound to the method; for handlers only at boot, when their routes are known. */
  readonly plan: (shape?: Partial<MethodShape>) => KeyPlan;
  /** Without `ttl` if the module's default applies. */
  readonly policy: Omit<CachePolicy, 'ttl'> & { readonly ttl: CachePolicy['ttl'] | undefined };
  readonly name: string | undefined;
  readonly store: string | undefined;
  readonly tags: ((...args: readonly unknown[]) => readonly string[]) | readonly string[] | undefined;
  readonly isolation: Isolation;
  /** Larger values are not stored; only of `@CacheResult`. */
  readonly maxValueBytes?: number | undefined;
  /** In place of `isolation`, for handlers. */
  readonly values: ValueHandling | undefined;
  readonly type: TypeOption | undefined;
  readonly valueTags?: ValueTags | undefined;
  /** Of `@CacheResultMany`: then `original` loads one item. */
  readonly items?: ItemsDefinition | undefined;
  /** How its values are verified. */
  readonly verify?: VerifyMethod | undefined;
  /** The value is the same for every caller; of `@CacheResult`, handlers say so in `response`. */
  readonly shared?: boolean | undefined;
  /** Read by the invalidation room. */
  readonly rules: readonly unknown[];
  /** True if its entries depend on the tables that their loads read; `undefined` if the default of the module applies. */
  readonly isAuto?: boolean | undefined;
  /** Makes the request for rewarming after a change. */
  readonly rewarmRequest?: ((change: never) => unknown) | undefined;
  /** Read by the http room; only for handlers. */
  readonly response: unknown;
  /** Warnings, logged at boot. */
  readonly hints: readonly string[];
}

/** Turns the options every cached thing has into a policy. */
export function normalisePolicy(
  options: CommonOptions,
  where: string,
  hints: string[],
): MethodDefinition['policy'] {
  const { ttl, cacheIf, cacheUnless } = options;
  const hint = (text: string): void => void hints.push(text);
  const softTimeout = timeout(options.softTimeout, `softTimeout of ${where}`);
  const hardTimeout = timeout(options.hardTimeout, `hardTimeout of ${where}`);
  if (hardTimeout === 0) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `hardTimeout of ${where} is ${describe(options.hardTimeout)}: no load would be waited for. Write how long one may take, e.g. ` +
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
    refreshAhead: options.refreshAhead ?? 0,
    jitter: options.jitter ?? 0,
    lock: options.lock ?? 'local',
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

type Condition = NonNullable<CachePolicy['condition']>;

function condition(
  cacheIf: CommonOptions['cacheIf'],
  cacheUnless: CommonOptions['cacheUnless'],
): CachePolicy['condition'] {
  if (cacheIf !== undefined) return cacheIf as Condition;
  if (cacheUnless === undefined) return undefined;
  return async (value, context) => !(await (cacheUnless as Condition)(value, context));
}
