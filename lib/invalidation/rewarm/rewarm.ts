import { excerpt } from '../../common/messages.js';
import { isRecord } from '../../common/options.js';

/**
 * A request that the application repeats to itself, so that its answer is cached.
 *
 * @publicApi
 */
export interface RewarmRequest {
  /**
   * The path and query of the handler, `/articles/intro`: asked with the hosts by which the handler was asked last. Or with a host,
   * `https://shop.example/articles/intro`.
   */
  readonly url: string;
  /** All that it carries: credentials, cookies and what the answer varies by. Default none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * A value that JSON hands on as it is.
 *
 * @publicApi
 */
export type RewarmValue = string | number | boolean;

/**
 * What is computed anew after an invalidation: the call of a method by its partition's values, or a request to a handler.
 *
 * @publicApi
 */
export interface Rewarm {
  /** The name under which it caches, e.g. `UsersService.find`. */
  readonly method: string;
  /** By partition field; of a method. */
  readonly values?: Readonly<Record<string, RewarmValue>> | undefined;
  /** Of a handler. */
  readonly request?: RewarmRequest | undefined;
  /** Of an application with a `jobSecret`: that it is one of its own. */
  readonly signature?: string | undefined;
}

/** No client may send a longer head by default (Node's `maxHeaderSize`). Characters. */
const MAX_REQUEST = 16_384;

/** A path, or a URL of HTTP, without white space and control characters. */
const URL_TEXT = /^(?:\/(?!\/)|https?:\/\/)[^\s\p{Cc}]*$/iu;

/** RFC 9110 §5.1. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** RFC 9110 §5.5: no control characters but the tab. */
const HEADER_VALUE = /^(?:\t|\P{Cc})*$/u;

/** @throws TypeError for what is no request to repeat */
export function assertRequest(given: unknown): RewarmRequest {
  const { url, headers } = (given ?? {}) as Partial<Record<keyof RewarmRequest, unknown>>;
  if (typeof url !== 'string' || !URL_TEXT.test(url))
    throw new TypeError(
      `its url is ${excerpt(url)}. Write a path, '/articles/intro', or a URL with its host`,
    );
  if (headers === undefined) return { url };
  if (!isRecord(headers) || !Object.entries(headers).every(isHeader))
    throw new TypeError(`its headers are no record of texts. Write { authorization: 'Bearer …' }`);
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

/** Whether something that a queue delivered is a {@link Rewarm}: another build may have written it, or anybody. */
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
