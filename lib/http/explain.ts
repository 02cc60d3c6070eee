import { createHmac, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/engine/call.js';
import { CacheConfigurationError } from '../common/errors.js';
import { type Duration, parseDuration } from '../common/time.js';
import type { KeyRequest } from '../keys/key.interface.js';
import { cacheStatusHeader, type CacheStatusParameters } from './answer/cache-status-header.js';
import type { AddedHeaders } from './platform.interface.js';
import type { CachedRoute } from './route/cached-route.js';

/** Shortest secret for signing explanations: shorter ones can be guessed. Characters. */
const MIN_SECRET = 32;

/** Longest lifetime of a token, also if the token states a longer one. Milliseconds. */
const MAX_LIFETIME = 24 * 3600 * 1000;

/** `<seconds since the epoch>.<base64url of 32 bytes>` */
const TOKEN = /^(\d{1,12})\.([\w-]{43})$/;

/**
 * A value for the request header `X-Cache-Explain`: the answer says in `Cache-Status` what the cache did and why.
 *
 * @param secret that of `forRoot({ explain: { secret } })`
 * @param lifetime how long it is good for; at most a day
 * @throws CacheConfigurationError for a secret of less than 32 characters, or a lifetime beyond a day
 * @example
 * const token = explainToken(process.env.EXPLAIN_SECRET!, '10m');
 * await fetch(url, { headers: { 'X-Cache-Explain': token } });
 *
 * @publicApi
 */
export function explainToken(secret: string, lifetime: Duration = '10m'): string {
  assertSecret(secret, 'explainToken()');
  const milliseconds = parseDuration(lifetime, 'The lifetime given to explainToken()');
  if (milliseconds > MAX_LIFETIME || milliseconds <= 0) {
    throw new CacheConfigurationError(
      'CACHE_EXPLAIN',
      `The lifetime given to explainToken() is ${String(lifetime)}. Write at most a day, e.g. '10m'.`,
    );
  }
  const expires = String(Math.ceil((Date.now() + milliseconds) / 1000));
  return `${expires}.${signatureOf(secret, expires).toString('base64url')}`;
}

/** True if a header contains a token that was signed with the secret and has not expired. */
export function isExplainToken(secret: string, header: unknown, now: number): boolean {
  const [, expires, signature] = (typeof header === 'string' ? TOKEN.exec(header) : null) ?? [];
  if (expires === undefined) return false;
  const isSigned = timingSafeEqual(signatureOf(secret, expires), Buffer.from(signature!, 'base64url'));
  const remaining = Number(expires) * 1000 - now;
  return isSigned && remaining > 0 && remaining <= MAX_LIFETIME + 1000;
}

/** @throws CacheConfigurationError */
export function assertSecret(
  secret: unknown,
  where: string,
  code = 'CACHE_EXPLAIN',
): asserts secret is string {
  if (typeof secret === 'string' && secret.length >= MIN_SECRET) return;
  throw new CacheConfigurationError(
    code,
    `The secret of ${where} is ${typeof secret === 'string' ? `${secret.length} characters long` : typeof secret}. Write at least ` +
      `${MIN_SECRET} random characters, e.g. from \`openssl rand -base64 32\`.`,
  );
}

function signatureOf(secret: string, expires: string): Buffer {
  return createHmac('sha256', secret).update(`restflow-explain.${expires}`).digest();
}

/** Cache-Control of explained answers: outer caches must not store an explanation, which is meant for one client. */
const UNSHARED: AddedHeaders = { 'Cache-Control': 'no-store', 'CDN-Cache-Control': 'no-store' };

/** Explains what the cache did with one request. */
export class Explanation {
  /** `undefined` until the key is known. */
  call: Call | undefined;
  /** Read before the load, which is watched for what it reads. */
  readonly #request: string;

  constructor(
    private readonly explainer: Explainer,
    private readonly route: CachedRoute,
    { method = 'GET', url = '' }: ExplainedRequest,
    /** True if a signed header asked for the explanation. */
    private readonly isSigned: boolean,
  ) {
    this.#request = `${method} ${url}`;
  }

  /**
   * `Cache-Status` with every parameter; also written to the log.
   *
   * @param before `Cache-Status` of caches nearer to the origin
   * @param reason a sentence for the log
   */
  headers(
    said: CacheStatusParameters,
    before?: Parameters<typeof cacheStatusHeader>[1],
    reason?: string,
  ): AddedHeaders {
    const { call, explainer, route } = this;
    const more = call === undefined ? {} : this.#tellsOf(call, said);
    const header = cacheStatusHeader({ ...said, detail: said.detail ?? said.why, more }, before);
    const lines = [`${route.target.name} ${this.#request}: ${header['Cache-Status']}`];
    if (reason !== undefined) lines.push(reason);
    if (call !== undefined) lines.push(`made of ${route.target.key.unhashedKey(call)}`);
    explainer.log(lines.join('; '));
    return this.isSigned ? { ...header, ...UNSHARED } : header;
  }

  #tellsOf(call: Call, { hit, stored }: CacheStatusParameters): Readonly<Record<string, string>> {
    const { key, variant } = call;
    const tags = call.entry?.stamp.tags ?? call.tags();
    const cause = hit === true ? undefined : this.explainer.causeOf(key, tags);
    if (hit === true || stored === true) this.explainer.saw(key, tags);
    return {
      key,
      ...(variant === '' ? {} : { variant: variant.slice(1) }),
      tags: tags.join(' '),
      ...(cause === undefined ? {} : { 'dropped-by': cause }),
    };
  }
}

/** The header that asks for an explanation. */
const HEADER = 'x-cache-explain';

const MAX_KEYS = 10_000;

export type ExplainedRequest = Pick<KeyRequest, 'method' | 'url' | 'headers'>;

/** Time when a key was last seen in the cache, and its tags then. */
interface Sighting {
  readonly turn: number;
  readonly tags: readonly string[];
}

/** Decides which requests are explained, and remembers the keys of explained requests. */
export class Explainer {
  readonly #seen = new LRUCache<string, Sighting>({ max: MAX_KEYS });

  constructor(
    private readonly runtime: CacheRuntime,
    /** Secret of signed headers; `undefined` if headers cannot ask. */
    private readonly secret: string | undefined,
  ) {}

  /** @returns `undefined` for a request that is not explained */
  of(route: CachedRoute, request: ExplainedRequest): Explanation | undefined {
    if (!route.explains && this.secret === undefined) return undefined;
    const isSigned = this.#isSigned(request);
    return route.explains || isSigned ? new Explanation(this, route, request, isSigned) : undefined;
  }

  #isSigned({ headers }: ExplainedRequest): boolean {
    const token = headers[HEADER];
    if (token === undefined || this.secret === undefined) return false;
    return isExplainToken(this.secret, token, this.runtime.engine.clock.now());
  }

  /** Records that a key is stored with these tags. */
  saw(key: string, tags: readonly string[]): void {
    this.#seen.set(key, { turn: this.runtime.invalidationHistory?.turn ?? 0, tags });
  }

  /** The invalidation that dropped a key since it was last seen; for a key that was never seen, the latest invalidation of its tags. */
  causeOf(key: string, tags: readonly string[]): string | undefined {
    const seen = this.#seen.get(key);
    return this.runtime.invalidationHistory?.lastOf(seen?.tags ?? tags, seen?.turn);
  }

  log(message: string): void {
    this.runtime.log.info(message);
  }
}
