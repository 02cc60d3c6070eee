import { KeyField } from './fields/key-field.js';

/**
 * Settings of a key constructor, written as `static readonly meta`.
 *
 * @publicApi
 */
export interface KeyMeta {
  /**
   * Groups keys: `wipe()` of one drops all that share it, also from processes that do not load their methods. Default: none, the
   * method stands for itself.
   */
  readonly namespace?: string | undefined;
  /** Raise it to leave all entries written so far behind. Stands in keys, never in tags. Default none. */
  readonly version?: number | string | undefined;
  /** A word that stands in every key, to tell constructors of one namespace apart. Default none. */
  readonly keyIdentifier?: string | undefined;
  /** Longer keys are hashed; over the module's `maxKeySuffixLength`. In characters; default: the module's. */
  readonly maxKeySuffixLength?: number | undefined;
  /** More combinations of partition fields that entries can be dropped by. Default none. */
  readonly partitions?: readonly (readonly string[])[] | undefined;
}

/**
 * Base class of the declarations of how a key is built: every property is a field of the key.
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
  // Gives the class a brand, so that not every object is a key constructor.
  declare protected readonly isKeyConstructor: true;
}

/**
 * A class that extends {@link KeyConstructor} and can be made without arguments.
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
 * @param refuse called for a property that is no field
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
