import { createHash } from 'node:crypto';
import { detach } from '../../cache/values/detach.js';
import type { ValueHandling } from '../../cache/values/isolation.js';
import { ownBytes } from '../../cache/values/own-copy.js';
import type { Entry } from '../../stores/store.interface.js';
import { parseDelta } from '../headers/cache-control.js';
import type { AddedHeaders, RecordedResponse } from '../platform.interface.js';
import { assertResponseData, type JudgedHeaders } from './response-shape.js';
import { type ExchangeTimes, type JudgedFields, type ReuseTerms, reuseTermsOf } from './reuse-terms.js';

const NO_FIELDS: JudgedFields = {};
/** Number of responses that this process has stored or read from a shared store. */
let made = 0;
const LONG_AGO: ExchangeTimes = { requestedAt: 0, receivedAt: 0 };

/** A response as the cache holds it: the recorded response, its validators and its size. */
export class StoredResponse implements ResponseView {
  /** Validators. With `freshness: 'headers'` only those of the handler. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly cacheControl: string | undefined;
  readonly size: number;
  /** True if the response states its lifetime: then each reuse must state its age (RFC 9111 §5.1). */
  readonly tellsLifetime: boolean;
  /** Headers that hits add, and the remaining seconds for which they were made: reused within the same second. */
  hitHeaders: AddedHeaders | undefined;
  hitTtl: number | undefined;
  /** Differs for each response of this process. */
  readonly serial = ++made;
  #headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  #terms: ReuseTerms | undefined;

  /** @param judged headers of the whole answer, including those of middleware */
  constructor(
    readonly recorded: RecordedResponse,
    readonly judged: JudgedHeaders = {},
  ) {
    this.etag = judged.etag ?? (judged.shared === undefined ? etagOf(undefined, recorded.body) : undefined);
    this.lastModified = judged.lastModified;
    this.cacheControl = judged.cacheControl;
    let size = recorded.body.length;
    let tellsLifetime = /max-?age/i.test(judged.cacheControl ?? '');
    for (const [name, value] of recorded.headers) {
      size += 2 * (name.length + String(value).length) + 32;
      tellsLifetime ||= name.toLowerCase() === 'age';
    }
    this.size = size;
    this.tellsLifetime = tellsLifetime;
  }

  /** Terms of its reuse; only with `freshness: 'headers'`. */
  get terms(): ReuseTerms {
    return (this.#terms ??= reuseTermsOf(this.status, this.fields, this.judged.shared ?? LONG_AGO));
  }

  /** Headers that decide on its reuse; only with `freshness: 'headers'`. */
  get fields(): JudgedFields {
    return this.judged.shared?.fields ?? NO_FIELDS;
  }

  get status(): number {
    return this.recorded.status;
  }

  get body(): Buffer {
    return this.recorded.body;
  }

  get headers(): Readonly<Record<string, string | readonly string[]>> {
    return (this.#headers ??= Object.fromEntries(
      this.recorded.headers.map(([name, value]) => [name.toLowerCase(), value]),
    ));
  }
}

/** Responses are immutable: readers share the stored object. Shared stores hold the head and the bytes. */
export const responseValues: ValueHandling = {
  prepare: (value) => ({ stored: value, size: (value as StoredResponse).size }),
  present: (stored) => stored,
  presentLoaded: (value) => value,
  encode(stored) {
    const { recorded, size, etag, judged: told } = stored as StoredResponse;
    const { status, headers, removed, vary, body, manner } = recorded;
    const isDense = headers.some(([name, value]) => tellsDense(name.toLowerCase(), String(value)));
    return {
      data: [status, headers, removed, vary, { ...told, etag }, ...(manner === undefined ? [] : [manner])],
      flags: 0,
      size,
      bytes: body,
      isDense,
    };
  },
  compared(stored) {
    const { status, headers, removed, body } = (stored as StoredResponse).recorded;
    const own = headers.map(([name, value]) => [name.toLowerCase(), value] as const);
    const steady = own.filter(([name]) => !OF_THE_MOMENT.has(name));
    return [status, new Map(steady), new Set(removed), body];
  },
  decode({ data, bytes: received }, kept) {
    // What is kept must not keep the bytes in memory that it arrived in, together with other answers of Redis.
    if (kept) detach(data);
    const bytes = kept && received !== undefined ? ownBytes(received) : received;
    assertResponseData(data);
    if (!Buffer.isBuffer(bytes)) throw new TypeError('a response without a body');
    const [status, headers, removed, vary, judged, manner] = data;
    return new StoredResponse({ status, headers, removed, vary, body: bytes, manner }, judged);
  },
};

/** Headers that differ between two answers of the same data. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set([
  ...['date', 'age', 'expires', 'etag', 'cache-status', 'server-timing'],
  ...['x-cache-status', 'x-cached-at', 'x-cache-reset-at'],
]);

/** Media types that are compressed formats. */
const DENSE_TYPE = /^(image\/(?!svg|bmp)|video\/|audio\/|font\/woff|application\/(zip|gzip|zstd|pdf)\b)/i;

/** True if the headers show that the body is compressed already. */
function tellsDense(name: string, value: string): boolean {
  if (name === 'content-encoding') return value !== 'identity';
  return name === 'content-type' && DENSE_TYPE.test(value);
}

/** The response of an entry. */
export function responseOf(entry: Entry): StoredResponse {
  return entry.value as StoredResponse;
}

/**
 * The ETag of an answer: the handler's own, else a strong one made from the body. The weak ETag that Express makes for every body is
 * replaced by a strong one; any other weak ETag was set by the handler and is kept.
 *
 * @param given the ETag header
 * @param body `undefined` while the body is not known
 */
export function etagOf(given: string | undefined, body: Buffer | undefined): string | undefined {
  if (body === undefined || (given !== undefined && !given.startsWith('W/'))) return given;
  const strong = strongETag(body);
  return given === undefined || given === `W/${strong}` ? strong : given;
}

/**
 * Makes a strong validator: equal bytes have equal tags (RFC 9110 §8.8.3). It has the text of Express's weak one, so that a client that got
 * that one from a bypassed answer or a HEAD can validate with it.
 */
function strongETag(body: Buffer): string {
  const digest = createHash('sha1').update(body).digest('base64');
  return `"${body.length.toString(16)}-${digest.slice(0, 27)}"`;
}

/** True if a layer below may encode the body for clients that accept it: then one strong validator would name two bodies. */
export function mayBeEncoded({ route, request, response }: EncodableExchange): boolean {
  const accepted = request.headers['accept-encoding'];
  if (accepted === undefined || !/gzip|br|deflate|zstd|\*/i.test(String(accepted))) return false;
  return route.platform.mayEncode(request, response);
}

interface EncodableExchange {
  readonly route: { readonly platform: { mayEncode(request: object, response: object): boolean } };
  readonly request: { readonly headers: Readonly<Record<string, string | string[] | undefined>> };
  readonly response: object;
}

export function weak(etag: string): string {
  return etag.startsWith('W/') ? etag : `W/${etag}`;
}

/** Age of an answer when its handler sent it (from an upstream cache), in seconds; 0 without Age. */
export function ageOf(header: string | readonly string[] | number | undefined): number {
  return header === undefined ? 0 : (parseDelta(single(header)) ?? 0);
}

export function single(value: string | readonly string[] | number | undefined): string | undefined {
  return Array.isArray(value)
    ? (value[0] as string | undefined)
    : value === undefined
      ? undefined
      : String(value);
}

export function joined(value: string | readonly string[] | number | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value === undefined ? undefined : String(value);
}

/**
 * A response as the functions `cacheIf`, `cacheUnless` and `ttl` receive it.
 *
 * @publicApi
 */
export interface ResponseView {
  /** The status code. */
  readonly status: number;
  /** Headers that the handler added; lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The bytes of the body. */
  readonly body: Buffer;
}
