import { type FieldContext, type FieldPart, KeyField, type KeyFieldOptions } from './key-field.js';

/**
 * A value that is the same for every call, e.g. the version of a payload's format: changing it leaves every old entry
 * behind. It stands in the key as `key=value` and costs nothing at run time.
 *
 * @example
 * ```ts
 * version = new ConstantKeyField('v', '1');
 * ```
 * Source: drf-restflow, `ConstantKeyField`.
 * @publicApi
 */
export class ConstantKeyField extends KeyField {
  /**
   * @param key the name in the key; of a partition, also the name to drop it by
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
