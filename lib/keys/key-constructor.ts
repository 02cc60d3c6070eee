import { describe } from '../common/messages.js';
import { unknownOptions } from '../common/options.js';
import { ArgsKeyField } from './fields/args-key-field.js';
import { FunctionKeyField, type KeyFunction } from './fields/simple-key-fields.js';
import { declaredOptionsOf, KeyField } from './fields/key-field.js';
import { QueryParamsKeyField, RouteParamsKeyField } from './fields/request-key-fields.js';
import { KeyDefinitionError } from './key-errors.js';

/**
 * Settings of a key constructor, written as `static readonly meta`.
 *
 * @publicApi
 */
export interface KeyMeta {
  /**
   * Groups keys: `wipe()` drops all entries of the namespace, also from processes that do not load their methods. Default: none.
   */
  readonly namespace?: string | undefined;
  /** Part of keys, never of tags. Raise it to stop reading all earlier entries. Default none. */
  readonly version?: number | string | undefined;
  /** A word in every key, which distinguishes constructors of one namespace. Default none. */
  readonly keyIdentifier?: string | undefined;
  /** Longer keys are hashed. In characters; default: the module's `maxKeySuffixLength`. */
  readonly maxKeySuffixLength?: number | undefined;
  /** More combinations of partition fields that entries can be dropped by. Default none. */
  readonly partitions?: readonly (readonly string[])[] | undefined;
}

/**
 * Base class of key constructors: every property is a field of the key.
 *
 * A subclass inherits the fields and the `meta` of its base, member by member; a field of the same name replaces the
 * inherited one, and `undefined` removes it. Order makes no difference.
 *
 * @example
 * ```ts
 * class UserPayloadKey extends KeyConstructor {
 *   static readonly meta = { namespace: 'users', version: 1 };
 *   user = new ArgsKeyField('userId', { partition: true });
 *   version = new ConstantKeyField('v', '1');
 * }
 * ```
 * Source: drf-restflow, `KeyConstructor`; `meta` is its `class Meta`. (Annotate `meta` with {@link KeyMeta} where a
 * subclass of yours gives other members: TypeScript compares static sides.)
 * @publicApi
 */
export abstract class KeyConstructor {
  // A brand: without it, TypeScript would accept every object as a key constructor.
  declare protected readonly isKeyConstructor: true;
}

/**
 * A class that extends {@link KeyConstructor} and has a constructor without arguments.
 *
 * @publicApi
 */
export type KeyConstructorClass = new () => KeyConstructor;

/** The members of `meta`, of the class and those it extends; the nearest to the class wins. */
export function metaOf(keyConstructor: KeyConstructor): Readonly<Record<string, unknown>> {
  const levels: object[] = [];
  for (
    let level: unknown = keyConstructor.constructor;
    typeof level === 'function';
    level = Object.getPrototypeOf(level)
  ) {
    const meta: unknown = Object.hasOwn(level, 'meta') ? (level as { meta?: unknown }).meta : undefined;
    if (typeof meta === 'object' && meta !== null) levels.unshift(meta);
  }
  return Object.assign({}, ...levels) as Readonly<Record<string, unknown>>;
}

/**
 * The fields of a key constructor, by name.
 *
 * @param refuse called for a property that is not a field
 */
export function fieldsOf(
  keyConstructor: KeyConstructor,
  refuse: (property: string, value: unknown) => never,
): ReadonlyMap<string, KeyField> {
  const fields = new Map<string, KeyField>();
  for (const [property, value] of Object.entries(keyConstructor)) {
    if (value === undefined || value === null) continue;
    fields.set(property, value instanceof KeyField ? value : refuse(property, value));
  }
  return fields;
}

/** Fields by name, as the properties of a key constructor would be. */
export type KeyFields = Readonly<Record<string, KeyField>>;

/**
 * Options of {@link inlineKeyConstructor}: the fields, and the members of `meta`.
 *
 * @publicApi
 */
export interface InlineKeyOptions extends KeyMeta {
  /** By their names in the key; `{}` gives all calls one key. */
  readonly fields: KeyFields;
}

/**
 * Builds a key constructor without writing a class.
 *
 * @param options `fields` by name, and any member of {@link KeyMeta}
 * @returns a class, which may be extended like any other
 * @throws {KeyDefinitionError} without `fields`
 *
 * @example
 * ```ts
 * const UserKey = inlineKeyConstructor({
 *   namespace: 'users',
 *   fields: { user: new ArgsKeyField('userId', { partition: true }) },
 * });
 * ```
 * Source: drf-restflow, `InlineKeyConstructor`.
 * @publicApi
 */
export function inlineKeyConstructor(options: InlineKeyOptions): KeyConstructorClass {
  const { fields, ...meta } = (options ?? {}) as Partial<InlineKeyOptions>;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new KeyDefinitionError(
      `inlineKeyConstructor() needs fields. Write inlineKeyConstructor({ fields: { user: new ArgsKeyField('userId') } }).`,
    );
  }
  return class InlineKeyConstructor extends KeyConstructor {
    static readonly meta: KeyMeta = meta;

    constructor() {
      super();
      Object.assign(this, fields);
    }
  };
}

/**
 * Values of the option `keyConstructor`.
 *
 * @publicApi
 */
export type KeyConstructorInput = KeyConstructorClass | KeyConstructor | KeyFields | KeyFunction;

/**
 * Makes a key constructor of a value of the option `keyConstructor`.
 *
 * @param input a class, an instance, a plain record of fields, or a function of the arguments whose result is encoded
 *   canonically (on a controller handler it gets the request)
 * @param place the class and method it is for, for messages; default none
 * @throws {KeyDefinitionError} for anything else
 *
 * @example
 * ```ts
 * toKeyConstructor(UserPayloadKey);
 * toKeyConstructor({ user: new ArgsKeyField('userId') });
 * toKeyConstructor((userId: number, page: number) => [userId, page]);
 * ```
 */
export function toKeyConstructor(input: KeyConstructorInput, place = ''): KeyConstructor {
  const where = place === '' ? 'keyConstructor' : `${place}: keyConstructor`;
  if (input instanceof KeyConstructor) return input;
  if (typeof input === 'function') return fromFunction(input, where);
  if (isRecord(input)) return new (inlineKeyConstructor({ fields: input }))();
  throw new KeyDefinitionError(
    `${where}: ${describe(input)} is not a key constructor. Write a class that extends KeyConstructor, an instance of ` +
      `one, a record of fields such as { user: new ArgsKeyField('userId') }, or a function (...args) => unknown.`,
  );
}

/** A function whose body is a block, which needs a return. */
const HAS_BLOCK = /^(?:async\s+)?(?:function\b(?!.*\[native code\])|(?:\([^()]*\)|[\w$]+)\s*=>\s*\{)/s;

function fromFunction(input: KeyConstructorClass | KeyFunction, where: string): KeyConstructor {
  if (input.prototype instanceof KeyConstructor) return new (input as KeyConstructorClass)();
  const source = Function.prototype.toString.call(input);
  if (/^class\b/.test(source)) {
    throw new KeyDefinitionError(
      `${where}: the class ${input.name || '(anonymous)'} does not extend KeyConstructor. Write ` +
        `class ${input.name || 'UserKey'} extends KeyConstructor { … }.`,
    );
  }
  if (HAS_BLOCK.test(source) && !/\b(?:return|throw)\b/.test(source)) {
    throw new KeyDefinitionError(
      `${where}: the function returns nothing, so that all calls would share one value. Write (id) => [id], or, for an object, ` +
        `(id) => ({ id }) with parentheses.`,
    );
  }
  return new (inlineKeyConstructor({ fields: { key: new FunctionKeyField(input as KeyFunction) } }))();
}

function isRecord(input: unknown): input is KeyFields {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false;
  const prototype: object | null = Object.getPrototypeOf(input);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * The default of `@CacheResult`: all arguments of the call, undeclared ones included.
 *
 * @example
 * ```ts
 * class TenantKey extends DefaultKeyConstructor {
 *   tenant = new ArgsKeyField('tenantId', { partition: true });
 * }
 * ```
 * Source: drf-restflow, `DefaultKeyConstructor`.
 * @publicApi
 */
export class DefaultKeyConstructor extends KeyConstructor {
  /** All arguments. */
  args = new ArgsKeyField('*');
}

/**
 * The default of `@CacheResponse`: all query parameters, and each route parameter as a partition under its own name, so
 * that rules may map `{ slug: 'slug' }`.
 *
 * @example
 * ```ts
 * class PerUserKey extends ResponseCacheKeyConstructor {
 *   user = new RequestValueKeyField('user.id', { partition: true });
 * }
 * ```
 * Source: drf-restflow, `ResponseCacheKeyConstructor`.
 * @publicApi
 */
export class ResponseCacheKeyConstructor extends KeyConstructor {
  /** All query parameters; repeated ones are sets. */
  query = new QueryParamsKeyField('*');
  /** All parameters of the route's pattern. */
  route = new RouteParamsKeyField('*', { partition: true });
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isList: Check = (value) => Array.isArray(value) && value.length > 0;

/** Check of each member of `meta`, and its form in messages. */
const MEMBERS: Readonly<Record<keyof KeyMeta, readonly [check: Check, form: string]>> = {
  namespace: [isText, `a text that is not empty, such as 'users'`],
  version: [(value) => isText(value) || Number.isFinite(value), `a number or a text, such as 1`],
  keyIdentifier: [isText, `a text that is not empty, such as 'list'`],
  maxKeySuffixLength: [
    (value) => Number.isInteger(value) && (value as number) > 0,
    `a whole number of characters, such as 250`,
  ],
  partitions: [
    (value) =>
      Array.isArray(value) && value.every((subset) => isList(subset) && (subset as unknown[]).every(isText)),
    `a list of lists of partition field names, such as [['tenant', 'user']]`,
  ],
};

/**
 * The checked `meta` of a key constructor.
 *
 * @param refuse called with what is wrong and what to write instead
 */
export function readMeta(keyConstructor: KeyConstructor, refuse: (problem: string) => never): KeyMeta {
  const meta = metaOf(keyConstructor);
  for (const [member, value] of Object.entries(meta)) {
    if (!Object.hasOwn(MEMBERS, member)) {
      refuse(`meta has no member "${member}". Write one of ${Object.keys(MEMBERS).join(', ')}.`);
    }
    const [check, form] = MEMBERS[member as keyof KeyMeta];
    if (value !== undefined && !check(value)) refuse(`meta.${member} must be ${form}.`);
  }
  return meta;
}

const SWITCHES = ['partition', 'hashValue', 'sortLists', 'identity'];

/**
 * Checks the options of a field. A class of the user may have more options than this library knows.
 *
 * @param fail called with what is wrong and what to write instead
 */
export function checkFieldOptions(field: KeyField, fail: (problem: string) => never): void {
  const options: unknown = field.options;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    fail(`has the options ${JSON.stringify(options)}. Write an object: { partition: true }.`);
  }
  const own = declaredOptionsOf(field);
  for (const [name, value] of Object.entries(options as object)) {
    if (own !== undefined && !SWITCHES.includes(name) && !own.includes(name)) {
      fail(`has the ${unknownOptions([name], [...SWITCHES, ...own])}`);
    }
    if (SWITCHES.includes(name) && value !== undefined && typeof value !== 'boolean') {
      fail(`has { ${name}: ${JSON.stringify(value)} }. Write true or false.`);
    }
  }
}

/** True if reading the field runs code of the user. */
export function runsUserCode(field: KeyField): boolean {
  return declaredOptionsOf(field) === undefined || 'normalizer' in field.options;
}
