import type { KeySource } from '../key.interface.js';
import {
  argumentReader,
  type ArgumentReader,
  resolveArgument,
  resolveEveryArgument,
} from './argument-reader.js';
import { type FieldContext, type FieldPart, KeyField, type KeyFieldOptions } from './key-field.js';
import { asSet } from './request-parts.js';
import { parsePath, readPath } from './value-path.js';

/**
 * What {@link ArgsKeyField} may be told besides what every field may.
 *
 * @publicApi
 */
export interface ArgsKeyFieldOptions extends KeyFieldOptions {
  /** Read a part of the argument, by a dotted path: `'id'`, `'author.id'`. Default: the argument itself. */
  readonly path?: string | undefined;
  /** Maps the value (at the path) to what stands in the key. Must be pure. Default: the value itself. */
  readonly normalizer?: ((value: never) => unknown) | undefined;
  /** Only with `'*'`: names or indexes of arguments to leave out. Default none. */
  readonly except?: readonly (string | number)[] | undefined;
}

/**
 * Arguments of the method. On a controller handler, the raw route parameter, query value, header or body field that the
 * argument's decorator names: keys of responses are built before pipes run.
 *
 * An argument that is absent and one that is `undefined` are one input.
 *
 * @example
 * ```ts
 * user = new ArgsKeyField('userId', { partition: true });
 * author = new ArgsKeyField('article', { path: 'author.id' });
 * all = new ArgsKeyField('*', { except: ['signal'] });
 * ```
 * Source: drf-restflow, `ArgsKeyField`.
 * @publicApi
 */
export class ArgsKeyField extends KeyField {
  /**
   * @param names one argument by name or index; several, each a partition field of its own if this is a partition; or
   *   `'*'` for all, undeclared ones included. Use indexes where a build renames parameters.
   * @param options see {@link ArgsKeyFieldOptions}
   */
  constructor(
    readonly names: string | number | readonly (string | number)[],
    override readonly options: ArgsKeyFieldOptions = {},
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    const { names, options } = this;
    const refine = this.refinement(context);
    if (options.except !== undefined && names !== '*') {
      context.fail(
        `has { except }, which is for '*' only. Leave it out, or write new ArgsKeyField('*', { except }).`,
      );
    }
    if (options.except !== undefined && !Array.isArray(options.except)) {
      context.fail(`has { except } that is no list. Write new ArgsKeyField('*', { except: ['signal'] }).`);
    }
    if (names === '*') return this.bindAll(context, refine);
    if (!Array.isArray(names)) {
      const argument = resolveArgument(context, names as string | number);
      const part = partOf(argumentReader(context, argument), refine);
      return [{ ...part, name: context.field, alias: part.name }];
    }
    if (names.length === 0) context.fail(`names no argument. Write new ArgsKeyField('id'), or '*' for all.`);
    const readers = names.map((name: string | number) =>
      argumentReader(context, resolveArgument(context, name)),
    );
    return options.partition === true
      ? readers.map((reader) => partOf(reader, refine))
      : [
          {
            name: context.field,
            identity: readers.some((reader) => reader.identity),
            readsBody: readers.some((reader) => reader.readsBody),
            holds: heldBy(readers, refine),
            arguments: argumentsOf(readers),
            read: readRecord(readers, refine),
          },
        ];
  }

  private bindAll(context: FieldContext, refine: Refinement | undefined): readonly FieldPart[] {
    const readers = resolveEveryArgument(context, this.options.except ?? []);
    const { method } = context;
    const declared =
      method.kind === 'response' || method.restParameter === true ? Infinity : method.parameters.length;
    const { partition, sortLists } = this.options;
    if (partition !== true) {
      const identity = readers.some((reader) => reader.identity);
      const read = inPlaces(readEvery(readers, declared, refine), sortLists);
      const readsBody = readers.some((reader) => reader.readsBody);
      const list = sortLists !== true;
      const holds = heldBy(readers, refine);
      return [
        { name: context.field, identity, readsBody, holds, arguments: argumentsOf(readers), list, read },
      ];
    }
    const parts = readers.map((reader) => partOf(reader, refine));
    if (declared === Infinity) return parts;
    const undeclared = inPlaces((source) => source.args.slice(declared), sortLists);
    const read = (source: KeySource) => (source.args.length > declared ? undeclared(source) : undefined);
    return [...parts, { name: context.field, undeclared: true, read }];
  }

  private refinement(context: FieldContext): Refinement | undefined {
    const { path, normalizer } = this.options;
    if (normalizer !== undefined && typeof normalizer !== 'function') {
      context.fail(`has a normalizer that is no function. Write { normalizer: (value) => … }.`);
    }
    const map = normalizer as ((value: unknown) => unknown) | undefined;
    if (path === undefined) return map;
    const steps =
      parsePath(path) ??
      context.fail(
        `has the path ${JSON.stringify(path)}. Write property names joined by dots, such as 'author.id'.`,
      );
    return map === undefined ? (value) => readPath(value, steps) : (value) => map(readPath(value, steps));
  }
}

type Refinement = (value: unknown) => unknown;

/** What is refined is no longer held as it is. */
function heldBy(readers: readonly ArgumentReader[], refine: Refinement | undefined): FieldPart['holds'] {
  return refine === undefined ? readers.flatMap(({ holds }) => holds ?? []) : undefined;
}

function partOf(reader: ArgumentReader, refine: Refinement | undefined): FieldPart {
  const { name, identity, readsBody, set, holds, read } = reader;
  const common = { name, identity, readsBody, set };
  if (refine !== undefined)
    return { ...common, arguments: argumentsOf([reader]), read: (source) => refine(read(source)) };
  return reader.argument === undefined
    ? { ...common, holds, read }
    : { name, identity, argument: reader.argument };
}

/** Where each stands in a call; `undefined` where one is no single argument of a method. */
function argumentsOf(readers: readonly ArgumentReader[]): readonly number[] | undefined {
  const indexes = readers.map(({ argument }) => argument);
  return indexes.every((index) => index !== undefined) ? indexes : undefined;
}

/** The value of an argument among others; alone, it is the part that knows about sets. */
function readOne(reader: ArgumentReader, refine: Refinement, source: KeySource): unknown {
  const value = refine(reader.read(source));
  return reader.set === true ? asSet(value) : value;
}

function readRecord(
  readers: readonly ArgumentReader[],
  refine: Refinement = itself,
): (source: KeySource) => unknown {
  return (source) => {
    const values = Object.create(null) as Record<string, unknown>;
    for (const reader of readers) values[reader.name] = readOne(reader, refine, source);
    return values;
  };
}

/** Where lists are sorted, arguments must still keep their places. */
function inPlaces(
  read: (source: KeySource) => readonly unknown[],
  sortLists = false,
): (source: KeySource) => unknown {
  return sortLists ? (source) => ({ ...read(source) }) : read;
}

/** All arguments, in order: positions say which is which, so trailing absent ones are left out, as in the call. */
function readEvery(
  readers: readonly ArgumentReader[],
  declared: number,
  refine: Refinement = itself,
): (source: KeySource) => readonly unknown[] {
  return (source) => {
    const values: unknown[] = [];
    for (const reader of readers) values.push(readOne(reader, refine, source));
    if (source.args.length > declared) {
      for (let index = declared; index < source.args.length; index++) values.push(refine(source.args[index]));
      return values;
    }
    while (values.length > 0 && values[values.length - 1] === undefined) values.pop();
    return values;
  };
}

function itself(value: unknown): unknown {
  return value;
}
