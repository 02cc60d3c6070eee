import {
  type FieldContext,
  type FieldPart,
  KeyField,
  type KeyFieldOptions,
  declareOptions,
} from './key-field.js';

/**
 * A value that is the same for every call, e.g. the version of a payload's format: after a change, no old entry is read. It stands in
 * the key as `key=value` and costs nothing at run time.
 *
 * @example
 * ```ts
 * version = new ConstantKeyField('v', '1');
 * ```
 * Source: drf-restflow, `ConstantKeyField`.
 * @publicApi
 */
export class ConstantKeyField extends KeyField {
  static {
    declareOptions(this);
  }

  /**
   * @param key the name in the key and, for a partition, in rules and `deleteByPrefix`
   * @param value any encodable value
   * @param options see {@link KeyFieldOptions}
   */
  constructor(
    readonly key: string,
    readonly value: unknown,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override read(): unknown {
    return this.value;
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    if (typeof this.key !== 'string' || this.key === '') {
      context.fail(`is a ConstantKeyField without a name. Write new ConstantKeyField('v', '1').`);
    }
    return [{ name: this.key, constant: () => this.value }];
  }
}

/** Computes a key from the arguments or, for a handler, from the request. */
export type KeyFunction = (...args: never[]) => unknown;

/** The result of a function: the field behind `keyConstructor: (id) => [id, …]`. */
export class FunctionKeyField extends KeyField {
  constructor(readonly compute: KeyFunction) {
    super();
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const compute = this.compute as (...args: readonly unknown[]) => unknown;
    // The key of a handler is built before its arguments are.
    return context.method.kind === 'response'
      ? [{ name: context.field, read: (source) => compute(source.request) }]
      : [{ name: context.field, read: (source) => compute(...source.args) }];
  }
}
