import type { KeyEnvironment, KeySource, MethodShape } from '../key.interface.js';

/**
 * What every key field may be told. All default to false.
 *
 * @publicApi
 */
export interface KeyFieldOptions {
  /** Entries can be dropped by this field: its values are part of the partition and become tags. */
  readonly partition?: boolean | undefined;
  /** The key holds a hash of the value: for values that are long or private. */
  readonly hashValue?: boolean | undefined;
  /** The order of lists makes no difference. */
  readonly sortLists?: boolean | undefined;
  /**
   * The field tells users apart, so a key that holds it may serve authenticated requests. Fields that read the user, the
   * session or the Authorization header do so unless this says `false`.
   */
  readonly identity?: boolean | undefined;
}

const ownOptions = new WeakMap<Function, readonly string[]>();

/**
 * Every field class of this library declares the options it takes beside {@link KeyFieldOptions}, in a static block. Other classes,
 * subclasses too, are the user's: their options are not checked, and nothing is known of what they read.
 */
export function declareOptions(field: Function, ...options: readonly string[]): void {
  ownOptions.set(field, options);
}

/** The options that the class of a field declares; `undefined` for classes of the user. */
export function declaredOptionsOf({ constructor }: KeyField): readonly string[] | undefined {
  return ownOptions.get(constructor);
}

/**
 * Where a field stands, when it is bound to a method.
 *
 * @publicApi
 */
export interface FieldContext {
  /** The name of the property that holds the field. */
  readonly field: string;
  /** The method that the key is for. */
  readonly method: MethodShape;
  /**
   * Throws a `KeyDefinitionError` that says where the field stands.
   *
   * @param problem what is wrong and what to write instead, continuing "the key field "x" "
   */
  fail(problem: string): never;
}

/**
 * One value of a key: where it comes from, and how it is named. Exactly one of `argument`, `read` and `constant` is
 * given.
 *
 * @publicApi
 */
export interface FieldPart {
  /** The name in the key, unique in its constructor; for partitions, the name that rules and `deleteByPrefix` use. */
  readonly name: string;
  /** Another name by which rules may mean this partition: the argument's. */
  readonly alias?: string | undefined;
  /** The value is the argument at this index. */
  readonly argument?: number | undefined;
  /** The arguments that `read` reads, where it reads nothing else: who knows them knows the value. */
  readonly arguments?: readonly number[] | undefined;
  /** Reads the value at each call; `undefined` stands for missing. */
  readonly read?: ((source: KeySource) => unknown) | undefined;
  /** Finds a value that never changes, once, when the application has started. */
  readonly constant?: ((environment: KeyEnvironment) => unknown) | undefined;
  /** Whether what is read tells users apart. */
  readonly identity?: boolean | undefined;
  /** Whether the body of the request is read: a key for other methods than GET must hold it. */
  readonly readsBody?: boolean | undefined;
  /**
   * The values of the request that are read as they are, each as its steps: `['cookies', 'theme']`, `['headers', 'cookie']`. The key holds
   * them, so a handler that reads them too reads nothing that its key lacks.
   */
  readonly holds?: readonly (readonly string[])[] | undefined;
  /** Whether lists are sets. */
  readonly set?: boolean | undefined;
  /** Whether `read` makes a new list at each call, whose members are the values. */
  readonly list?: boolean | undefined;
  /**
   * This part stands beside the partition of its field, in the key alone: values whose names were not known beforehand.
   * While it reads `undefined`, nothing of it is written.
   */
  readonly undeclared?: boolean | undefined;
}

/**
 * One declared part of a key. Extend it and override {@link read} for values of your own; the result is encoded
 * canonically, so return what differs, not a text you joined.
 *
 * Fields hold no state: one instance may serve many methods.
 *
 * @example
 * ```ts
 * class LocaleKeyField extends KeyField {
 *   override read({ request }: KeySource) {
 *     return request?.headers['accept-language']?.slice(0, 2);
 *   }
 * }
 * ```
 * Source: drf-restflow, Key Constructors.
 * @publicApi
 */
export class KeyField {
  /** @param options see {@link KeyFieldOptions}; all false by default */
  constructor(readonly options: KeyFieldOptions = {}) {}

  /**
   * The value of the field for one call or request; `undefined` stands for missing. Runs at every call, so it must be
   * fast and must not wait.
   */
  read(source: KeySource): unknown;
  read(): unknown {
    throw new TypeError(`${this.constructor.name}: a key field must override read() or bind()`);
  }

  /**
   * The parts of the key that this field makes for one method. Override it where the field must look at the method, or
   * has several values; by default it is one part, named after the property, whose value {@link read} gives.
   */
  bind(context: FieldContext): readonly FieldPart[] {
    if (this.read === KeyField.prototype.read) {
      context.fail(
        `is of the class ${this.constructor.name}, which overrides neither read() nor bind(). Override read().`,
      );
    }
    return [{ name: context.field, read: (source) => this.read(source) }];
  }
}
