import {
  type ArgumentKind,
  declaredArguments,
  isEventStream,
  methodOf,
  pathsOf,
} from '../../common/nest-internals.js';
import type { CompiledKey } from '../../keys/index.js';
import type { KeyRequest, MethodShape, RouteArgument } from '../../keys/key.interface.js';

/** Arguments that a key can be built from. */
const SOURCES: ReadonlySet<ArgumentKind> = new Set(['request', 'body', 'query', 'param', 'header']);

/** The shape of a handler by Nest's decorators: where its arguments come from, and the parameters of its route. */
export function handlerShape(
  controller: Function,
  methodName: string,
  prefixes: readonly string[],
): Partial<MethodShape> {
  const handler = (controller.prototype as Record<string, object>)[methodName]!;
  const paths = [...prefixes, ...pathsOf(controller), ...pathsOf(handler)];
  return {
    routeArguments: routeArguments(controller, methodName),
    routeParams: [...new Set(paths.flatMap(parametersOf))],
  };
}

function routeArguments(controller: Function, methodName: string): readonly RouteArgument[] {
  return declaredArguments(controller, methodName).map(({ kind, index, name }) => ({
    index,
    source: SOURCES.has(kind) ? (kind as RouteArgument['source']) : 'other',
    name,
  }));
}

/** `:slug`, `:id(\\d+)`, `:id?`, and the wildcards `*rest` of path-to-regexp. */
function parametersOf(path: string): string[] {
  return [...path.matchAll(/[:*]([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu)].map(([, name]) => name!);
}

/** True if requests with a method reach this handler: for GET those of `@Get()`, `@All()` and `@Sse()`. */
export function handlesMethod(handler: object, method: string): boolean {
  const declared = methodOf(handler);
  return declared === 'ALL' || declared === method;
}

/** Arguments that identify a client and are part of no key. */
const CLIENT_ARGUMENTS: Partial<Record<ArgumentKind, string>> = {
  session: '@Session()',
  ip: '@Ip()',
  custom: 'what a parameter decorator of the application reads',
};

/** Request properties that the parameters of a handler read, and that its default key does not contain. */
export function readsOfRequest(
  controller: Function,
  methodName: string,
): { readonly headers: readonly string[]; readonly client: string | undefined } {
  const declared = declaredArguments(controller, methodName);
  const client = declared.map(({ kind }) => CLIENT_ARGUMENTS[kind]).find((name) => name !== undefined);
  const headers = declared.filter(({ kind }) => kind === 'header').map(({ name }) => name);
  const names = headers.filter((name) => name !== undefined).map((name) => name.toLowerCase());
  const readsAllHeaders = names.length < headers.length;
  return { headers: names, client: client ?? (readsAllHeaders ? '@Headers()' : undefined) };
}

/** True if a method is a handler that can be cached: it has a path, and answers GET with a single answer. */
export function isCacheableHandler(method: object): boolean {
  return pathsOf(method).length > 0 && handlesMethod(method, 'GET') && !isEventStream(method);
}

/** True if a method is a handler of `@Get()` only. */
export function handlesOnlyGet(method: object): boolean {
  return isCacheableHandler(method) && methodOf(method) !== 'ALL';
}

/**
 * Arguments of a handler, such as `@Param('id')` or `@Query('page')`, that its key does not contain: requests that differ only in them
 * would share an answer. Found by comparing the keys of two such requests. Empty if code of the application makes the key.
 */
export function unreadArguments(key: CompiledKey, controller: Function, handler: string): readonly string[] {
  if (key.runsUserCode) return [];
  const { routeArguments = [] } = handlerShape(controller, handler, []);
  return routeArguments.flatMap(({ source, name }) => {
    if (name === undefined || (source !== 'param' && source !== 'query')) return [];
    const part = source === 'param' ? 'params' : 'query';
    const [one, other] = ['1', '2'].map((value) => key.unhashedKey(asking({ [part]: { [name]: value } })));
    return one === other ? [`@${source === 'param' ? 'Param' : 'Query'}('${name}')`] : [];
  });
}

function asking(parts: Partial<KeyRequest>): { args: []; request: KeyRequest } {
  const user = { id: 0 };
  return {
    args: [],
    request: { method: 'GET', url: '/', headers: {}, params: {}, query: {}, user, ...parts },
  };
}
