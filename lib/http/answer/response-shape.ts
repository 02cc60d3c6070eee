import { isRecord, isText } from '../../common/options.js';
import { isStorableHeader } from '../headers/header-rules.js';
import type { RecordedResponse, SendingManner } from '../platform.interface.js';
import type { ExchangeTimes, JudgedFields } from './reuse-terms.js';

/** Headers that decide on storing an answer, including those that `@Header()` and middleware set before the recording began. */
export interface JudgedHeaders {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  readonly cacheControl?: string | undefined;
  /** True if the answer depends on something that outer caches do not see. */
  readonly isPrivate?: true;
  /** All headers that decide on reuse; only with `freshness: 'headers'`. */
  readonly shared?: SharedHeaders;
}

export interface SharedHeaders extends ExchangeTimes {
  readonly fields: JudgedFields;
}

/** The head of a response as a shared store holds it, without the body. */
export type ResponseData = readonly [
  status: number,
  headers: RecordedResponse['headers'],
  removed: readonly string[],
  vary: readonly string[],
  judged: JudgedHeaders,
  manner?: SendingManner,
];

/** A header name (RFC 9110 §5.1). */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** Text that Node accepts as a header value (RFC 9110 §5.5). */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Checks a response that a shared store returned, before any of it is sent: another program may have written it, and Node throws for an
 * invalid head only when the answer has begun.
 *
 * @throws TypeError for anything that was not stored as a response: the read is a miss
 */
export function assertResponseData(data: unknown): asserts data is ResponseData {
  if (Array.isArray(data)) {
    const [status, headers, removed, vary, judged, manner] = data as unknown[];
    const isValid =
      isStatus(status) &&
      isListOf(headers, isHeader) &&
      isListOf(removed, isName) &&
      isListOf(vary, isName) &&
      isJudged(judged) &&
      (manner === undefined || isManner(manner));
    if (isValid) return;
  }
  throw new TypeError('not a response');
}

/** Informational responses (1xx) are never stored. */
function isStatus(status: unknown): boolean {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599;
}

function isHeader(header: unknown): boolean {
  if (!Array.isArray(header) || header.length !== 2) return false;
  const [name, value] = header as unknown[];
  if (!isName(name) || !isStorableHeader(name.toLowerCase(), [], true)) return false;
  return Array.isArray(value) ? value.every(isValue) : isValue(value);
}

function isJudged(judged: unknown): boolean {
  if (!isRecord(judged)) return false;
  const { etag, lastModified, cacheControl, isPrivate, shared } = judged;
  return (
    [etag, lastModified, cacheControl].every((one) => one === undefined || isValue(one)) &&
    (isPrivate === undefined || isPrivate === true) &&
    (shared === undefined || isShared(shared))
  );
}

function isShared(shared: unknown): boolean {
  if (!isRecord(shared)) return false;
  const { fields, requestedAt, receivedAt } = shared;
  return (
    Number.isFinite(requestedAt) &&
    Number.isFinite(receivedAt) &&
    isRecord(fields) &&
    Object.values(fields).every((one) => one === undefined || isValue(one))
  );
}

function isManner(manner: unknown): boolean {
  if (!isRecord(manner)) return false;
  const { reason, onRaw, asText } = manner;
  return (
    (reason === undefined || isValue(reason)) &&
    [onRaw, asText].every((one) => one === undefined || one === true)
  );
}

function isListOf(list: unknown, is: (one: unknown) => boolean): boolean {
  return Array.isArray(list) && list.every(is);
}

function isName(name: unknown): name is string {
  return isText(name) && NAME.test(name);
}

function isValue(value: unknown): boolean {
  return typeof value === 'string' && VALUE.test(value);
}
