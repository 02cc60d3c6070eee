import type { KeySource, RouteArgument } from '../key.interface.js';
import type { FieldContext } from './key-field.js';
import { pathsOf, readAll, readNamed, type RequestPart } from './request-parts.js';
import { findRequest } from './find-request.js';

/** How to read one argument of a method. */
export interface ArgumentReader {
  /** The declared name, or the index as a text. */
  readonly name: string;
  /** The index, where the value is just the argument at that index. */
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

/** The index of a declared parameter. A rest parameter may be meant by name (all of it) or by index (one of it). */
export function resolveArgument(context: FieldContext, name: string | number): number | RestArguments {
  const { parameters, restParameter = false } = context.method;
  if (typeof name === 'number') {
    if (Number.isInteger(name) && name >= 0 && (name < parameters.length || restParameter)) return name;
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

/** Readers of all declared parameters but those left out. */
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

/** How to read an argument: from the call, or from the request to a handler. */
export function argumentReader(context: FieldContext, argument: number | RestArguments): ArgumentReader {
  const index = indexOf(argument);
  const name = context.method.parameters[index] || String(index);
  if (context.method.kind === 'response') return routeArgumentReader(context, index, name);
  return typeof argument === 'number'
    ? { name, argument, read: (source) => source.args[argument] }
    : { name, read: (source) => readRest(source, argument.from) };
}

/** No rest arguments are as good as an absent argument. */
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
