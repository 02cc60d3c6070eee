import 'reflect-metadata';
import type { CompiledKey } from '../../keys/index.js';
import type { KeyRequest, MethodShape, RouteArgument } from '../../keys/key.interface.js';

/** Nest's metadata, by the names it has used since its first version. */
const ROUTE_ARGUMENTS = '__routeArguments__';
const PATH = 'path';
const HEADERS = '__headers__';
const METHOD = 'method';

/** Nest's `RequestMethod`, those whose answers may be cached. */
const REQUEST_METHODS: Readonly<Record<string, number>> = {
  GET: 0,
  POST: 1,
  SEARCH: 8,
  PROPFIND: 9,
  QUERY: 16,
};
const ALL = 5;

/** Nest's `RouteParamtypes`, the ones a key can be built from. */
const SOURCES: Readonly<Record<number, RouteArgument['source']>> = {
  0: 'request',
  3: 'body',
  4: 'query',
  5: 'param',
  6: 'header',
};

/** What Nest's decorators say about a handler: where its arguments come from, and the parameters of its route. */
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
  return argumentsOf(controller, methodName).map(({ type, index, data }) => ({
    index,
    source: SOURCES[type] ?? 'other',
    name: typeof data === 'string' ? data : undefined,
  }));
}

interface DeclaredArgument {
  /** One of Nest's `RouteParamtypes`; `NaN` for decorators of the application's own. */
  readonly type: number;
  readonly index: number;
  readonly data?: unknown;
}

function argumentsOf(controller: Function, methodName: string): readonly DeclaredArgument[] {
  const metadata = (Reflect.getMetadata(ROUTE_ARGUMENTS, controller, methodName) ?? {}) as Record<
    string,
    { index: number; data?: unknown }
  >;
  return Object.entries(metadata).map(([key, argument]) => ({
    ...argument,
    type: Number(key.split(':')[0]),
  }));
}

/** The paths that a controller's or handler's decorator names. */
export function pathsOf(target: object): string[] {
  const path = Reflect.getMetadata(PATH, target) as string | string[] | undefined;
  return path === undefined ? [] : [path].flat();
}

/** `:slug`, `:id(\\d+)`, `:id?`, and the wildcards `*rest` of path-to-regexp. */
function parametersOf(path: string): string[] {
  return [...path.matchAll(/[:*]([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu)].map(([, name]) => name!);
}

/** The headers that `@Header()` names; values that are functions are left out. */
export function headersOf(handler: object): readonly { name: string; value: string }[] {
  const headers = Reflect.getMetadata(HEADERS, handler) as { name: string; value: unknown }[] | undefined;
  return (headers ?? []).flatMap(({ name, value }) => (typeof value === 'string' ? [{ name, value }] : []));
}

/** Whether requests with a method come to this handler: for GET `@Get()`, `@All()` and `@Sse()`. */
export function handlesMethod(handler: object, method: string): boolean {
  const declared = (Reflect.getMetadata(METHOD, handler) as number | undefined) ?? REQUEST_METHODS['GET'];
  return declared === ALL || declared === REQUEST_METHODS[method];
}

/** Nest's `RouteParamtypes` of what tells clients apart and stands in no key. */
const CLIENT: Readonly<Record<number, string>> = { 7: '@Session()', 11: '@Ip()' };
const ALL_HEADERS = '@Headers()';
const OWN_DECORATOR = 'what a parameter decorator of the application reads';

/** What the parameters of a handler take of a request that its default key does not hold. */
export function readsOfRequest(
  controller: Function,
  methodName: string,
): { readonly headers: readonly string[]; readonly client: string | undefined } {
  const declared = argumentsOf(controller, methodName);
  const taken = declared
    .map(({ type }) => (Number.isNaN(type) ? OWN_DECORATOR : CLIENT[type]))
    .find((name) => name !== undefined);
  const headers = declared.filter(({ type }) => SOURCES[type] === 'header').map(({ data }) => data);
  const names = headers.filter((name) => typeof name === 'string').map((name) => name.toLowerCase());
  return { headers: names, client: taken ?? (names.length < headers.length ? ALL_HEADERS : undefined) };
}

/** Set by `@Sse()`: a stream of events has no end to wait for. */
const SSE = '__sse__';

/** Whether a method is a handler whose answers may be worth caching: it has a path, and answers GET once. */
export function isCacheableHandler(method: object): boolean {
  return pathsOf(method).length > 0 && handlesMethod(method, 'GET') && !Reflect.hasMetadata(SSE, method);
}

/** Whether a method is a handler of `@Get()` and of nothing else. */
export function handlesOnlyGet(method: object): boolean {
  return isCacheableHandler(method) && Reflect.getMetadata(METHOD, method) !== ALL;
}

/**
 * What a handler asks for by name, `@Param('id')` or `@Query('page')`, and its key does not hold: requests that differ in it would share
 * an answer. Told by trying: the key of two requests that differ in nothing else. Empty where code of the user's makes the key.
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
