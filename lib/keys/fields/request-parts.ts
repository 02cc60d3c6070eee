import { NO_MEMBERS } from '../canonical.js';
import { KeyError } from '../key-errors.js';
import type { KeyRequest, KeySource } from '../key.interface.js';

/** Parts of a request that hold named values. */
export type RequestPart = 'params' | 'query' | 'headers' | 'cookies' | 'body';

/** Reads a named value of a part of a request, unchanged; `undefined` if it is missing. */
export function readNamed(request: KeyRequest, part: RequestPart, name: string): unknown {
  switch (part) {
    case 'query':
      return readOwn(queryOf(request), name);
    case 'cookies':
      return readCookie(request, name);
    case 'headers':
      return readOwn(request.headers, name.toLowerCase());
    case 'params':
      return readOwn(request.params, name) ?? readOwn(request.params, '*'); // Fastify has no names for wildcards
    default:
      return readOwn(request[part], name);
  }
}

/** Splits `'user.id'` into its steps; `undefined` for a value that is not a path. */
export function parsePath(path: unknown): readonly string[] | undefined {
  if (typeof path !== 'string') return undefined;
  const steps = path.split('.');
  return steps.every((step) => step !== '') ? steps : undefined;
}

/** Follows a path into a value; `undefined` where it ends early. */
export function readPath(value: unknown, steps: readonly string[]): unknown {
  let current = value;
  for (let index = 0; index < steps.length; index++) {
    if (current === null || current === undefined) return undefined;
    current = (current as Readonly<Record<string, unknown>>)[steps[index]!];
  }
  return current;
}

/** Reads a member that a client named. Own members only, since every object inherits `constructor`. */
export function readOwn(container: unknown, name: string): unknown {
  if (typeof container !== 'object' || container === null || !Object.hasOwn(container, name))
    return undefined;
  return (container as Readonly<Record<string, unknown>>)[name];
}

/** The members of an object; empty for any other value. */
export function ownMembers(container: unknown): Readonly<Record<string, unknown>> {
  return typeof container === 'object' && container !== null
    ? (container as Readonly<Record<string, unknown>>)
    : {};
}

/** Paths in a request at which {@link readNamed} reads a name. */
export function pathsOf(part: RequestPart, name: string): readonly (readonly string[])[] {
  if (part === 'headers') return [[part, name.toLowerCase()]];
  return part === 'cookies'
    ? [
        [part, name],
        ['signedCookies', name],
      ]
    : [[part, name]];
}

/** Reads all names of a part of a request. */
export function readAll(request: KeyRequest, part: RequestPart): unknown {
  switch (part) {
    case 'query': {
      const query = ownMembers(queryOf(request));
      // Most requests have none. Fastify's parser makes objects of its own class.
      return hasMembers(query) ? Object.assign(Object.create(null) as object, query) : NO_MEMBERS;
    }
    case 'cookies':
      return request.cookies ?? parseCookies(request.headers.cookie);
    case 'params':
      // A plain object, since Fastify's router has a class for them.
      return { ...ownMembers(request.params) };
    default:
      return request[part];
  }
}

/** The members of a part except these names; `undefined` if there are none. */
export function readOthers(request: KeyRequest, part: 'params', names: readonly string[]): unknown {
  const members = ownMembers(request[part]);
  let others: Record<string, unknown> | undefined;
  for (const name in members) {
    if (names.includes(name) || !Object.hasOwn(members, name)) continue;
    others ??= Object.create(null) as Record<string, unknown>;
    others[name] = members[name];
  }
  return others;
}

/** A repeated query parameter as a set: what is dropped by one of its values is dropped in any order. */
export function asSet(value: unknown): unknown {
  return Array.isArray(value) ? new Set<unknown>(value) : value;
}

/** The parsed query. A plain Node request, as GraphQL contexts have, has only its URL. */
function queryOf(request: KeyRequest): unknown {
  const { url } = request;
  const start = url === undefined ? -1 : url.indexOf('?');
  // Without `?` there is nothing to parse: the getter of Express parses the URL at each read. Middleware sets an own property.
  if (url !== undefined && start < 0 && !Object.hasOwn(request, 'query')) return NO_MEMBERS;
  const { query } = request;
  if (query !== undefined || url === undefined) return query;
  return collect(new URLSearchParams(url.slice(start + 1)));
}

/** cookie-parser moves signed cookies from `cookies` to `signedCookies`. */
function readCookie(request: KeyRequest, name: string): unknown {
  if (request.cookies === undefined || request.cookies === null) {
    return readOwn(parseCookies(request.headers.cookie), name);
  }
  const value = readOwn(request.cookies, name);
  return value === undefined ? readOwn((request as { signedCookies?: unknown }).signedCookies, name) : value;
}

/** RFC 6265 section 4.2.1, values unchanged; a name that is sent twice has both values, in order. */
function parseCookies(header: string | string[] | undefined): Readonly<Record<string, unknown>> {
  if (header === undefined) return {};
  const text = Array.isArray(header) ? header.join(';') : header;
  return collect(
    text.split(';').flatMap((pair): [string, string][] => {
      const equals = pair.indexOf('=');
      return equals < 0 ? [] : [[pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]];
    }),
  );
}

function collect(pairs: Iterable<[string, string]>): Readonly<Record<string, unknown>> {
  const members = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of pairs) {
    const earlier = members[name];
    if (Array.isArray(earlier)) earlier.push(value);
    else members[name] = earlier === undefined ? value : [earlier, value];
  }
  return members;
}

function hasMembers(members: object): boolean {
  for (const name in members) if (Object.hasOwn(members, name)) return true;
  return false;
}

/**
 * Finds the request to read: that of the handler, or else an argument of the call that is a request, or a context (as of GraphQL)
 * whose `req` or `request` is one.
 *
 * @throws {KeyError} `KEY_NO_REQUEST` if there is none
 */
export function findRequest(source: KeySource): KeyRequest {
  if (source.request !== undefined) return source.request;
  for (const argument of source.args) {
    if (isRequest(argument)) return argument;
  }
  for (const argument of source.args) {
    if (typeof argument !== 'object' || argument === null) continue;
    const { req, request } = argument as { readonly req?: unknown; readonly request?: unknown };
    if (isRequest(req)) return req;
    if (isRequest(request)) return request;
  }
  throw new KeyError(
    'KEY_NO_REQUEST',
    'a key field reads the request, but none of the arguments is one (an object with headers and a method, or a context ' +
      'whose req or request is one). Pass the request to the method, or read what you need with ArgsKeyField.',
  );
}

function isRequest(value: unknown): value is KeyRequest {
  if (typeof value !== 'object' || value === null) return false;
  const { method, headers } = value as { readonly method?: unknown; readonly headers?: unknown };
  // The headers of a fetch Request are read by get(); Express and Fastify hand plain ones to a handler.
  return (
    typeof method === 'string' &&
    typeof headers === 'object' &&
    headers !== null &&
    typeof (headers as { readonly get?: unknown }).get !== 'function'
  );
}
