import type { KeyField } from './fields/key-field.js';
import { KeyConstructor, type KeyConstructorClass, type KeyMeta } from './key-constructor.js';
import { KeyDefinitionError } from './key-errors.js';

/** Fields by name, as the properties of a key constructor would be. */
export type KeyFields = Readonly<Record<string, KeyField>>;

/**
 * What {@link inlineKeyConstructor} takes: the fields, and the members of `meta`.
 *
 * @publicApi
 */
export interface InlineKeyOptions extends KeyMeta {
  /** By the names that stand in the key; `{}` says that all calls are one. */
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
