import { createHash } from 'node:crypto';
import type { ValueHandling } from '../../cache/values/isolation.js';
import type { Entry } from '../../stores/store.interface.js';
import { parseDelta } from '../headers/cache-control.js';
import type { AddedHeaders, RecordedResponse } from '../platform.interface.js';
import { assertResponseData, type JudgedHeaders } from './response-shape.js';
import { type ExchangeTimes, type JudgedFields, type ReuseTerms, reuseTermsOf } from './reuse-terms.js';

const NO_FIELDS: JudgedFields = {};
const LONG_AGO: ExchangeTimes = { requestedAt: 0, receivedAt: 0 };

/** A response as it is cached: the recorded one, its validators and its size. */
export class StoredResponse implements ResponseView {
  /** With `freshness: 'headers'`, only the handler's own. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly cacheControl: string | undefined;
  readonly size: number;
  /** It states its lifetime: each reuse must state its age (RFC 9111 §5.1). */
  readonly tellsLifetime: boolean;
  /** Headers that hits add, and the seconds that were left when they were made: they hold for a second. */
  hitHeaders: AddedHeaders | undefined;
  hitTtl: number | undefined;
  #headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  #terms: ReuseTerms | undefined;

  /** @param judged headers of the whole answer, those of middleware included */
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

  /** The terms of its reuse; only with `freshness: 'headers'`. */
  get terms(): ReuseTerms {
    return (this.#terms ??= reuseTermsOf(this.status, this.fields, this.judged.shared ?? LONG_AGO));
  }

  /** Headers that its reuse is judged by; only with `freshness: 'headers'`. */
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

/** Responses are immutable: they are handed out as they are stored, and travel as their head and their bytes. */
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
  decode({ data, bytes }) {
    assertResponseData(data);
    if (!Buffer.isBuffer(bytes)) throw new TypeError('a response without a body');
    const [status, headers, removed, vary, judged, manner] = data;
    return new StoredResponse({ status, headers, removed, vary, body: bytes, manner }, judged);
  },
};

/** Media types of formats that are compressed themselves. */
const DENSE_TYPE = /^(image\/(?!svg|bmp)|video\/|audio\/|font\/woff|application\/(zip|gzip|zstd|pdf)\b)/i;

/** Whether a header tells that the body is compressed already. */
function tellsDense(name: string, value: string): boolean {
  if (name === 'content-encoding') return value !== 'identity';
  return name === 'content-type' && DENSE_TYPE.test(value);
}

/** The response an entry holds. */
export function responseOf(entry: Entry): StoredResponse {
  return entry.value as StoredResponse;
}

/**
 * The ETag of an answer: the handler's own, else a strong one of the body. The weak one that Express makes of every body is
 * replaced by the strong one of the same bytes; any other weak one is the handler's.
 *
 * @param given the ETag header
 * @param body `undefined` while it is not known
 */
export function etagOf(given: string | undefined, body: Buffer | undefined): string | undefined {
  if (body === undefined || (given !== undefined && !given.startsWith('W/'))) return given;
  const strong = strongETag(body);
  return given === undefined || given === `W/${strong}` ? strong : given;
}

/**
 * A strong validator: equal bytes, equal tag (RFC 9110 §8.8.3). Spelt as the weak one of Express, so that a client that
 * got that one from a bypassed answer or a HEAD may ask with it.
 */
function strongETag(body: Buffer): string {
  const digest = createHash('sha1').update(body).digest('base64');
  return `"${body.length.toString(16)}-${digest.slice(0, 27)}"`;
}

/** Whether a layer below may encode the body for a client that accepts that: then one strong validator would name two bodies. */
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

/** The Age of an answer when its handler sent it (from an upstream cache), in seconds; 0 without one. */
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
 * A response as `cacheIf`, `cacheUnless` and `ttl` functions get it.
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
