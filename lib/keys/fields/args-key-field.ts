import type { KeySource, RouteArgument } from '../key.interface.js';
import {
  findRequest,
  parsePath,
  pathsOf,
  readAll,
  readNamed,
  readPath,
  type RequestPart,
} from './request-parts.js';
import {
  type FieldContext,
  type FieldPart,
  KeyField,
  type KeyFieldOptions,
  declareOptions,
} from './key-field.js';

/**
 * Options of {@link ArgsKeyField}.
 *
 * @publicApi
 */
export interface ArgsKeyFieldOptions extends KeyFieldOptions {
  /** Path to the part of the argument to read: `'id'`, `'author.id'`. Default: the argument itself. */
  readonly path?: string | undefined;
  /** Maps the value (at the path) to the value in the key. Must be pure. Default: the value itself. */
  readonly normalizer?: ((value: never) => unknown) | undefined;
  /** Only with `'*'`: names or indexes of arguments to leave out. Default none. */
  readonly except?: readonly (string | number)[] | undefined;
}

/**
 * Arguments of the method. On a controller handler, the raw route parameter, query value, header or body field that the
 * argument's decorator names: keys of responses are built before pipes run.
 *
 * An absent argument and one that is `undefined` make the same key.
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
  static {
    declareOptions(this, 'path', 'normalizer', 'except');
  }

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
      context.fail(`has { except } that is not a list. Write new ArgsKeyField('*', { except: ['signal'] }).`);
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
      context.fail(`has a normalizer that is not a function. Write { normalizer: (value) => … }.`);
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

/** A refined value is not the value of the request any more, so the key does not hold that. */
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

/** Indexes of the arguments; `undefined` if one reads anything but a single argument of a call. */
function argumentsOf(readers: readonly ArgumentReader[]): readonly number[] | undefined {
  const indexes = readers.map(({ argument }) => argument);
  return indexes.every((index) => index !== undefined) ? indexes : undefined;
}

/** Reads one of several arguments. */
function memberReader({ read }: ArgumentReader, refine: Refinement | undefined): ArgumentReader['read'] {
  return refine === undefined ? read : (source) => refine(read(source));
}

function readRecord(
  readers: readonly ArgumentReader[],
  refine: Refinement | undefined,
): (source: KeySource) => unknown {
  const members = readers.map((reader) => [reader.name, memberReader(reader, refine)] as const);
  return (source) => {
    const values = Object.create(null) as Record<string, unknown>;
    for (const [name, read] of members) values[name] = read(source);
    return values;
  };
}

/** With `sortLists`, an object of the arguments by index, since arguments keep their places. */
function inPlaces(
  read: (source: KeySource) => readonly unknown[],
  sortLists = false,
): (source: KeySource) => unknown {
  return sortLists ? (source) => ({ ...read(source) }) : read;
}

/** Reads all arguments, in order. Trailing `undefined` is left out, since a call may leave it out. */
function readEvery(
  readers: readonly ArgumentReader[],
  declared: number,
  refine: Refinement | undefined,
): (source: KeySource) => readonly unknown[] {
  const reads = readers.map((reader) => memberReader(reader, refine));
  return (source) => {
    const { args } = source;
    const values: unknown[] = [];
    for (const read of reads) values.push(read(source));
    if (args.length > declared) {
      for (let index = declared; index < args.length; index++)
        values.push(refine === undefined ? args[index] : refine(args[index]));
      return values;
    }
    while (values.length > 0 && values[values.length - 1] === undefined) values.pop();
    return values;
  };
}

/** Reads one argument of a method. */
export interface ArgumentReader {
  /** The declared name, or the index as a text. */
  readonly name: string;
  /** The index, if the value is the argument at that index. */
  readonly argument?: number;
  readonly read: (source: KeySource) => unknown;
  readonly identity?: boolean;
  readonly readsBody?: boolean;
  readonly set?: boolean;
  readonly holds?: readonly (readonly string[])[];
}

const REQUEST_PARTS: Readonly<Partial<Record<RouteArgument['source'], RequestPart>>> = {
  param: 'params',
  query: 'query',
  body: 'body',
  header: 'headers',
};

/** The index of a declared parameter. The name of a rest parameter means all its arguments, an index one of them. */
export function resolveArgument(context: FieldContext, name: string | number): number | RestArguments {
  const { parameters, restParameter = false, hasUnknownArity = false } = context.method;
  if (typeof name === 'number') {
    const isOpen = restParameter || hasUnknownArity;
    if (Number.isInteger(name) && name >= 0 && (isOpen || name < parameters.length)) return name;
    return context.fail(
      `reads the argument ${name}, but the method declares ${declared(parameters)}. ` +
        `Write an index from 0 to ${Math.max(parameters.length - 1, 0)}.`,
    );
  }
  const index = name === '' ? -1 : parameters.indexOf(name);
  if (index < 0) {
    return context.fail(
      `reads the argument ${JSON.stringify(name) ?? String(name)}, but the method declares ${declared(parameters)}. Write one of ` +
        `these names; where a build renames parameters, or another decorator wraps the method, write its index instead.`,
    );
  }
  return restParameter && index === parameters.length - 1 ? { from: index } : index;
}

/** All arguments of a rest parameter. */
export interface RestArguments {
  readonly from: number;
}

/** Readers of all declared parameters except those left out. */
export function resolveEveryArgument(
  context: FieldContext,
  except: readonly (string | number)[],
): readonly ArgumentReader[] {
  const { parameters, restParameter = false } = context.method;
  const excluded = new Set(except.map((name) => indexOf(resolveArgument(context, name))));
  const readers: ArgumentReader[] = [];
  parameters.forEach((_, index) => {
    if (excluded.has(index)) return;
    const isRest = restParameter && index === parameters.length - 1;
    readers.push(argumentReader(context, isRest ? { from: index } : index));
  });
  return readers;
}

/** Makes a reader of one argument: from the call or, for a handler, from the request. */
export function argumentReader(context: FieldContext, argument: number | RestArguments): ArgumentReader {
  const index = indexOf(argument);
  const name = context.method.parameters[index] || String(index);
  if (context.method.kind === 'response') return routeArgumentReader(context, index, name);
  return typeof argument === 'number'
    ? { name, argument, read: (source) => source.args[argument] }
    : { name, read: (source) => readRest(source, argument.from) };
}

/** Without rest arguments, the parameter is absent. */
function readRest(source: KeySource, from: number): unknown {
  return source.args.length > from ? source.args.slice(from) : undefined;
}

function routeArgumentReader(context: FieldContext, index: number, name: string): ArgumentReader {
  const route = context.method.routeArguments?.find((candidate) => candidate.index === index);
  const part = route === undefined ? undefined : REQUEST_PARTS[route.source];
  if (route === undefined || part === undefined) {
    return context.fail(
      `reads the argument "${name}" of a handler, ${
        route === undefined
          ? 'which has no parameter decorator'
          : `which is ${route.source === 'request' ? 'the request itself' : 'made by a decorator whose source is not known'}`
      }. Keys of responses are built from the raw request: write new RequestValueKeyField('user.id'), ` +
        `HeadersKeyField or CookiesKeyField for what it holds, or leave it out with new ArgsKeyField('*', { except: ['${name}'] }).`,
    );
  }
  const key = route.name;
  return {
    name,
    set: part === 'query',
    readsBody: part === 'body',
    holds: key === undefined ? [] : pathsOf(part, key),
    identity: part === 'headers' && key?.toLowerCase() === 'authorization',
    read:
      key === undefined
        ? (source) => readAll(findRequest(source), part)
        : (source) => readNamed(findRequest(source), part, key),
  };
}

function indexOf(argument: number | RestArguments): number {
  return typeof argument === 'number' ? argument : argument.from;
}

function declared(parameters: readonly string[]): string {
  return parameters.length === 0 ? 'none' : `(${parameters.map((name) => name || '{…}').join(', ')})`;
}
