import { excerpt } from '../../common/messages.js';
import { isRecord } from '../../common/options.js';

/**
 * A request that the application sends to its own handler, so that the answer is cached.
 *
 * @publicApi
 */
export interface RewarmRequest {
  /**
   * Path and query of the handler, `/articles/intro`: sent once for each host of recent requests to the handler. Or a URL with one
   * host, `https://shop.example/articles/intro`.
   */
  readonly url: string;
  /** All headers of the request: credentials, cookies and those that the answer varies by. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * A value that JSON represents exactly.
 *
 * @publicApi
 */
export type RewarmValue = string | number | boolean;

/**
 * An entry to compute again after an invalidation: a call of a method, by the values of its partition, or a request to a handler.
 *
 * @publicApi
 */
export interface Rewarm {
  /** Name of the cached method, e.g. `UsersService.find`. */
  readonly method: string;
  /** Of a method: the values of the partition, by field. */
  readonly values?: Readonly<Record<string, RewarmValue>> | undefined;
  /** Of a handler: the request to send. */
  readonly request?: RewarmRequest | undefined;
  /** Proof that the entry comes from this application, with `jobSecret`. */
  readonly signature?: string | undefined;
}

/** Longest request: the default limit of Node for heads (`maxHeaderSize`). Characters. */
const MAX_REQUEST = 16_384;

/** A path, or a URL of HTTP, without white space and control characters. */
const URL_TEXT = /^(?:\/(?!\/)|https?:\/\/)[^\s\p{Cc}]*$/iu;

/** RFC 9110 §5.1. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** RFC 9110 §5.5: no control characters except the tab. */
const HEADER_VALUE = /^(?:\t|\P{Cc})*$/u;

/** @throws TypeError for an invalid request */
export function assertRequest(given: unknown): RewarmRequest {
  const { url, headers } = (given ?? {}) as Partial<Record<keyof RewarmRequest, unknown>>;
  if (typeof url !== 'string' || !URL_TEXT.test(url))
    throw new TypeError(
      `its url is ${excerpt(url)}. Write a path, '/articles/intro', or a URL with its host`,
    );
  if (headers === undefined) return { url };
  if (!isRecord(headers) || !Object.entries(headers).every(isHeader))
    throw new TypeError(`its headers must be an object of strings. Write { authorization: 'Bearer …' }`);
  const length = Object.entries(headers).reduce((sum, pair) => sum + pair.join().length, url.length);
  if (length > MAX_REQUEST) throw new TypeError(`it is longer than ${MAX_REQUEST} characters`);
  return { url, headers: headers as Record<string, string> };
}

function isHeader([name, value]: readonly [string, unknown]): boolean {
  return HEADER_NAME.test(name) && typeof value === 'string' && HEADER_VALUE.test(value);
}

export function isRewarmValue(value: unknown): value is RewarmValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

/** Tells whether a queue delivered a valid {@link Rewarm}: another build, or a third party, may have written it. */
export function isRewarm(given: unknown): given is Rewarm {
  if (!isRecord(given)) return false;
  const { method, values, request, signature } = given;
  if (typeof method !== 'string') return false;
  if (signature !== undefined && typeof signature !== 'string') return false;
  if (values !== undefined && !(isRecord(values) && Object.values(values).every(isRewarmValue))) return false;
  if (request === undefined) return true;
  try {
    assertRequest(request);
    return true;
  } catch {
    return false;
  }
}
