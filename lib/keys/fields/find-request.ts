import { KeyError } from '../key-errors.js';
import type { KeyRequest, KeySource } from '../key.interface.js';

/**
 * The request a field reads from: the one the key is built for, else one among the arguments of a call, either itself or as
 * `req` / `request` of a context, as GraphQL contexts have it.
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
  // The headers of a fetch Request are behind get(); it is not what Express or Fastify hand to a handler.
  return (
    typeof method === 'string' &&
    typeof headers === 'object' &&
    headers !== null &&
    typeof (headers as { readonly get?: unknown }).get !== 'function'
  );
}
