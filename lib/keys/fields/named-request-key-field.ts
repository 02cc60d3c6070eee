import type { KeyRequest, KeySource, MethodShape } from '../key.interface.js';
import { findRequest } from './find-request.js';
import { type FieldContext, type FieldPart, KeyField, type KeyFieldOptions } from './key-field.js';
import { asSet, pathsOf, readAll, readNamed, type RequestPart } from './request-parts.js';

/** One name, whose value stands in the key by itself; several names; or all of them. */
export type Names = string | readonly string[];

/**
 * What the fields that read a part of the request by name have in common.
 *
 * - `'page'`: one value, under the field's own name;
 * - `['page', 'sort']`: a value per name; as a partition, each name is a partition field of its own;
 * - `'*'`: all names there are; as a partition, those that are known when the application starts.
 */
export abstract class NamedRequestKeyField extends KeyField {
  protected abstract readonly part: RequestPart;

  constructor(
    readonly names: Names,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const { names } = this;
    if (names !== '*') this.checkNames(context);
    if (typeof names === 'string' && names !== '*')
      return [{ ...this.one(names), name: context.field, alias: names }];
    if (this.options.partition === true) {
      return (names === '*' ? this.knownNames(context) : (names as readonly string[])).map((name) =>
        this.one(name),
      );
    }
    const { part } = this;
    const readsBody = part === 'body';
    if (names === '*') {
      return [{ name: context.field, readsBody, read: (source) => readAll(findRequest(source), part) }];
    }
    const list = [...(names as readonly string[])];
    return [
      {
        name: context.field,
        readsBody,
        identity: list.some((name) => this.tellsUsersApart(name)),
        holds: list.flatMap((name) => pathsOf(part, name)),
        read: (source) => readList(findRequest(source), part, list),
      },
    ];
  }

  /** The names that `'*'` stands for in a partition. */
  protected knownNames(context: FieldContext): readonly string[] {
    return context.fail(
      `is a partition of all ${this.part}, whose names are not known beforehand. Name them: ` +
        `new ${this.constructor.name}(['page'], { partition: true }).`,
    );
  }

  protected tellsUsersApart(_name: string): boolean {
    return false;
  }

  private one(name: string): FieldPart & { read: (source: KeySource) => unknown } {
    const { part } = this;
    return {
      name,
      identity: this.tellsUsersApart(name),
      set: part === 'query',
      readsBody: part === 'body',
      holds: pathsOf(part, name),
      read: (source) => readNamed(findRequest(source), part, name),
    };
  }

  private checkNames(context: FieldContext): void {
    const list = typeof this.names === 'string' ? [this.names] : this.names;
    if (
      Array.isArray(list) &&
      list.length > 0 &&
      list.every((name) => typeof name === 'string' && name !== '')
    )
      return;
    context.fail(
      `must name what it reads: new ${this.constructor.name}('name') or new ${this.constructor.name}(['name', 'other']).`,
    );
  }
}

function readList(request: KeyRequest, part: RequestPart, names: readonly string[]): unknown {
  const values = Object.create(null) as Record<string, unknown>;
  for (const name of names) {
    const value = readNamed(request, part, name);
    values[name] = part === 'query' ? asSet(value) : value;
  }
  return values;
}

/** The names of the parameters in the route's pattern. */
export function routeParamsOf(method: MethodShape): readonly string[] | undefined {
  return method.kind === 'response' ? method.routeParams : undefined;
}
