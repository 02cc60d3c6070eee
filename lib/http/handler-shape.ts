import 'reflect-metadata';
import type { MethodShape, RouteArgument } from '../keys/key.interface.js';

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
  const metadata = (Reflect.getMetadata(ROUTE_ARGUMENTS, controller, methodName) ?? {}) as Record<
    string,
    { index: number; data?: unknown }
  >;
  return Object.entries(metadata).map(([key, { index, data }]) => ({
    index,
    source: SOURCES[Number(key.split(':')[0])] ?? 'other',
    name: typeof data === 'string' ? data : undefined,
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
export function answers(handler: object, method: string): boolean {
  const declared = (Reflect.getMetadata(METHOD, handler) as number | undefined) ?? REQUEST_METHODS['GET'];
  return declared === ALL || declared === REQUEST_METHODS[method];
}

/** Set by `@Sse()`: a stream of events has no end to wait for. */
const SSE = '__sse__';

/** Whether a method is a handler whose answers may be worth caching: it has a path, and answers GET once. */
export function isCacheableHandler(method: object): boolean {
  return pathsOf(method).length > 0 && answers(method, 'GET') && !Reflect.hasMetadata(SSE, method);
}
