import { createHash } from 'node:crypto';
import type { ValueHandling } from '../../cache/values/isolation.js';
import type { Entry } from '../../stores/store.interface.js';
import { parseDelta } from '../headers/cache-control.js';
import type { AddedHeaders, RecordedResponse, SendingManner } from '../platform.interface.js';
import { type ExchangeTimes, type JudgedFields, type ReuseTerms, reuseTermsOf } from './reuse-terms.js';

/** Headers that an answer is judged by; `@Header()` and middleware may have set them before the recording began. */
export interface JudgedHeaders {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  readonly cacheControl?: string | undefined;
  /** With `freshness: 'headers'`: all that its reuse is judged by. */
  readonly shared?: SharedHeaders;
}

export interface SharedHeaders extends ExchangeTimes {
  readonly fields: JudgedFields;
}

/** What is cached of a response: what was recorded, its validator, and its size. */
export class StoredResponse implements ResponseView {
  /** With `freshness: 'headers'` the handler's own alone. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly cacheControl: string | undefined;
  readonly size: number;
  /** The headers a hit adds, and the seconds that were left when they were made: they hold for a second. */
  hitHeaders: AddedHeaders | undefined;
  hitTtl: number | undefined;
  #headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  #tellsLifetime: boolean | undefined;
  #terms: ReuseTerms | undefined;

  /** @param judged what the whole answer said, with the headers that were there before its handler ran */
  constructor(
    readonly recorded: RecordedResponse,
    readonly judged: JudgedHeaders = {},
  ) {
    this.etag = judged.etag ?? (judged.shared === undefined ? etagOf(undefined, recorded.body) : undefined);
    this.lastModified = judged.lastModified;
    this.cacheControl = judged.cacheControl;
    this.size = recorded.headers.reduce(
      (sum, [name, value]) => sum + 2 * (name.length + String(value).length) + 32,
      recorded.body.length,
    );
  }

  /** Whether it says itself how long it is good: then each reuse must say how old it is (RFC 9111 §5.1). */
  get tellsLifetime(): boolean {
    const { cacheControl = '', headers } = this;
    return (this.#tellsLifetime ??= headers['age'] !== undefined || /max-?age/i.test(cacheControl));
  }

  /** On what terms it may be reused; only with `freshness: 'headers'`. */
  get terms(): ReuseTerms {
    const { shared } = this.judged;
    return (this.#terms ??= reuseTermsOf(this.status, shared!.fields, shared!));
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

type ResponseData = [number, RecordedResponse['headers'], string[], string[], JudgedHeaders, SendingManner?];

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
    const [status, headers, removed, vary, told, manner] = data as ResponseData;
    return new StoredResponse({ status, headers, removed, vary, body: bytes!, manner }, told);
  },
};

/** Media types of what is compressed as it is. */
const DENSE_TYPE = /^(image\/(?!svg|bmp)|video\/|audio\/|font\/woff|application\/(zip|gzip|zstd|pdf)\b)/i;

/** Whether a header says that to compress the body once more gains nothing. */
function tellsDense(name: string, value: string): boolean {
  if (name === 'content-encoding') return value !== 'identity';
  return name === 'content-type' && DENSE_TYPE.test(value);
}

/** The response an entry holds. */
export function responseOf(entry: Entry): StoredResponse {
  return entry.value as StoredResponse;
}

/**
 * The validator of an answer: the handler's own, else a strong one. The weak tag that Express makes of every body gives
 * way to the strong one of the same bytes; any other weak tag is the handler's.
 *
 * @param given the ETag header as it is
 * @param body `undefined` while it is not known: then only the handler's own is
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

/** How many seconds old an answer was when its handler gave it, as one that was asked for elsewhere says; else 0. */
export function ageOf(header: string | readonly string[] | number | undefined): number {
  return parseDelta(single(header)) ?? 0;
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
 * A response as `cacheIf`, `cacheUnless` and `ttl` functions see it.
 *
 * @publicApi
 */
export interface ResponseView {
  /** The status code. */
  readonly status: number;
  /** What the handler added to the headers; lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The bytes of the body. */
  readonly body: Buffer;
}
