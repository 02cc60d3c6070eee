import { type FieldContext, type FieldPart, KeyField } from './key-field.js';

/** A function that makes a key of the arguments, or of the request to a handler. */
export type KeyFunction = (...args: never[]) => unknown;

/** The result of a function, encoded canonically: what `keyConstructor: (id) => [id, …]` becomes. */
export class FunctionKeyField extends KeyField {
  constructor(readonly compute: KeyFunction) {
    super();
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const compute = this.compute as (...args: readonly unknown[]) => unknown;
    // A handler's arguments do not exist yet when its key is built; its request does.
    return context.method.kind === 'response'
      ? [{ name: context.field, read: (source) => compute(source.request) }]
      : [{ name: context.field, read: (source) => compute(...source.args) }];
  }
}
