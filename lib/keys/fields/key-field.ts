import type { KeyEnvironment, KeySource, MethodShape } from '../key.interface.js';

/**
 * Options of every key field. All default to false.
 *
 * @publicApi
 */
export interface KeyFieldOptions {
  /** Entries can be dropped by this field: its value becomes part of a tag. */
  readonly partition?: boolean | undefined;
  /** The key holds a hash of the value, for long or private values. */
  readonly hashValue?: boolean | undefined;
  /** The order of lists makes no difference. */
  readonly sortLists?: boolean | undefined;
  /**
   * The field identifies the user, so authenticated requests may be served under its key. Fields that read the user, the session or
   * the Authorization header do so unless this is `false`.
   */
  readonly identity?: boolean | undefined;
}

const ownOptions = new WeakMap<Function, readonly string[]>();

/**
 * Registers a field class of this library with the options that it takes in addition to {@link KeyFieldOptions}, in a static block. All
 * other classes, including subclasses, belong to the user: their options are not checked, and their `read()` may read anything.
 */
export function declareOptions(field: Function, ...options: readonly string[]): void {
  ownOptions.set(field, options);
}

/** The options that the class of a field declares; `undefined` for classes of the user. */
export function declaredOptionsOf({ constructor }: KeyField): readonly string[] | undefined {
  return ownOptions.get(constructor);
}

/**
 * The place of a field when it is bound to a method.
 *
 * @publicApi
 */
export interface FieldContext {
  /** The name of the property that holds the field. */
  readonly field: string;
  /** The method that the key is for. */
  readonly method: MethodShape;
  /**
   * Throws a `KeyDefinitionError` that names the field, the class and the method.
   *
   * @param problem what is wrong and what to write instead; follows `the key field "x" `
   */
  fail(problem: string): never;
}

/**
 * One named value of a key and its source: exactly one of `argument`, `read` and `constant`.
 *
 * @publicApi
 */
export interface FieldPart {
  /** The name in the key, unique in its constructor; for partitions, the name that rules and `deleteByPrefix` use. */
  readonly name: string;
  /** Another name of the partition in rules: the name of the argument. */
  readonly alias?: string | undefined;
  /** The value is the argument at this index. */
  readonly argument?: number | undefined;
  /** Indexes of the arguments that `read` reads, if it reads nothing else. */
  readonly arguments?: readonly number[] | undefined;
  /** Reads the value at each call; `undefined` means missing. */
  readonly read?: ((source: KeySource) => unknown) | undefined;
  /** Computes a value that never changes, once, when the application has started. */
  readonly constant?: ((environment: KeyEnvironment) => unknown) | undefined;
  /** True if the value identifies the user. */
  readonly identity?: boolean | undefined;
  /** True if the value is read from the body of the request, which keys for methods other than GET must hold. */
  readonly readsBody?: boolean | undefined;
  /**
   * Paths of the values of the request that the key holds unchanged: `['cookies', 'theme']`, `['headers', 'cookie']`. A handler may read
   * these without reading anything that its key lacks.
   */
  readonly holds?: readonly (readonly string[])[] | undefined;
  /** True if the order of a list makes no difference. */
  readonly set?: boolean | undefined;
  /** True if `read` returns a new array at each call. */
  readonly list?: boolean | undefined;
  /**
   * True if the part is in the key, but not in the partition of its field: for values whose names are known only at the call. Nothing is
   * written while it reads `undefined`.
   */
  readonly undeclared?: boolean | undefined;
}

/**
 * One declared part of a key. For other values, extend it and override {@link read}; the result is encoded canonically, so return
 * the values themselves, not a joined text.
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
   * The value of the field for one call or request; `undefined` means missing. Runs at every call, so it must be fast and
   * synchronous.
   */
  read(source: KeySource): unknown;
  read(): unknown {
    throw new TypeError(`${this.constructor.name}: a key field must override read() or bind()`);
  }

  /**
   * The parts of the key that this field makes for one method. By default one part, named after the property, with the value of
   * {@link read}. Override it if the field depends on the method or has several values.
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
