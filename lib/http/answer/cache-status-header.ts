import type { HeaderValue } from '../platform.interface.js';

/** The reason why a request was forwarded to the handler (RFC 9211 §2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'stale' | 'request';

export interface CacheStatusParameters {
  readonly hit?: boolean;
  readonly fwd?: ForwardReason;
  /** Status code of the handler's answer, if the client got another one. */
  readonly fwdStatus?: number;
  /** Remaining lifetime in seconds; negative if the response is stale. */
  readonly ttl?: number | undefined;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
  /** The parameter `detail`, for all clients. */
  readonly detail?: string | undefined;
  /** The parameter `detail` for clients that asked for an explanation. */
  readonly why?: string | undefined;
  /** Further parameters, as strings. */
  readonly more?: Readonly<Record<string, string>>;
}

/** Name of this cache in the header. */
const NAME = 'restflow';

/**
 * Makes `Cache-Status` (RFC 9211): the member of this cache, after those of caches nearer to the origin.
 *
 * @param before the header as the handler sent it
 */
export function cacheStatusHeader(
  { hit, fwd, fwdStatus, ttl, stored, collapsed, detail, more }: CacheStatusParameters,
  before?: HeaderValue | number | undefined,
): { readonly 'Cache-Status': string } {
  let value = before === undefined ? NAME : `${String(before)}, ${NAME}`;
  if (hit === true) value += '; hit';
  if (fwd !== undefined) value += `; fwd=${fwd}`;
  if (fwdStatus !== undefined) value += `; fwd-status=${fwdStatus}`;
  if (ttl !== undefined) value += `; ttl=${Math.floor(ttl)}`;
  if (stored === true) value += '; stored';
  if (collapsed === true) value += '; collapsed';
  if (detail !== undefined) value += `; detail=${detail}`;
  for (const name in more) value += `; ${name}=${quoted(more[name]!)}`;
  return { 'Cache-Status': value };
}

/** Longest string; longer ones are cut, because proxies limit the size of headers. Characters. */
const MAX_TEXT = 1_000;

/** Encodes a string of structured fields (RFC 8941 §3.3.3): printable ASCII. */
function quoted(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
  return `"${cut.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
