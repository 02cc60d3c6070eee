import { Header, UseInterceptors } from '@nestjs/common';
import { checkOptions, flag, isRecord, type OptionTable, parsed } from '../common/options.js';
import { parseDuration, type Duration } from '../common/time.js';
import { CacheConfigurationError } from '../common/errors.js';
import { FailedLifetimeInterceptor } from '../http/failed-lifetime.interceptor.js';
import { whereOf } from './decorator-options.js';

/**
 * Directives of Cache-Control (RFC 9111 §5.2.2, RFC 5861, RFC 8246).
 *
 * @publicApi
 */
export interface CacheControlOptions {
  /** How long any cache may reuse the answer. Seconds, or `'5m'`. Default: not sent. */
  maxAge?: Duration | undefined;
  /** Replaces `maxAge` in shared caches. Seconds, or `'5m'`. */
  sMaxage?: Duration | undefined;
  /** How long after `maxAge` a cache may serve the stale answer while it revalidates (RFC 5861 §3). */
  staleWhileRevalidate?: Duration | undefined;
  /** How long after `maxAge` a cache may serve the stale answer if revalidation fails (RFC 5861 §4). */
  staleIfError?: Duration | undefined;
  /** Shared caches may store the answer even if the request carried credentials. */
  public?: boolean | undefined;
  /** Only caches of the user (a browser) may store the answer. This cache does not. */
  private?: boolean | undefined;
  /** Caches must revalidate before each reuse. */
  noCache?: boolean | undefined;
  /** No cache may store the answer. */
  noStore?: boolean | undefined;
  /** Proxies must not change the body. */
  noTransform?: boolean | undefined;
  /** Caches must not serve the answer stale. */
  mustRevalidate?: boolean | undefined;
  /** Shared caches must not serve the answer stale. */
  proxyRevalidate?: boolean | undefined;
  /** Only caches that understand the status code may store the answer. */
  mustUnderstand?: boolean | undefined;
  /** The answer does not change while it is fresh (RFC 8246). */
  immutable?: boolean | undefined;
}

const OPTIONS: OptionTable<CacheControlOptions> = {
  rows: {
    public: flag,
    private: flag,
    noCache: flag,
    noStore: flag,
    noTransform: flag,
    mustRevalidate: flag,
    proxyRevalidate: flag,
    mustUnderstand: flag,
    immutable: flag,
    maxAge: parsed,
    sMaxage: parsed,
    staleWhileRevalidate: parsed,
    staleIfError: parsed,
  },
  example: `an object: { maxAge: '5m' }`,
  exclusive: [{ names: ['public', 'private'] }],
};

/** Directives that restrict caches. Errors carry them too. */
const RESTRICTIONS = new Set(['private', 'no-cache', 'no-store', 'no-transform']);

/**
 * Sends Cache-Control with every answer of a handler. Errors that the handler throws carry only the directives that restrict caches.
 * This cache obeys the header like one that the handler sets itself: a `maxAge` (or `sMaxage`) below the TTL shortens the TTL, and an
 * answer with `private`, `noCache` or `noStore` is not stored.
 *
 * @throws CacheConfigurationError for unknown or contradicting directives; TypeError for an invalid duration
 * @example
 * @Get() @CacheResponse('1h') @CacheControl({ public: true, maxAge: '5m' })
 * list() { … }
 *
 * Source: Django, `cache_control`.
 * @publicApi
 */
export function CacheControl(options: CacheControlOptions): MethodDecorator {
  return (target, propertyKey, descriptor) => {
    const value = cacheControlOf(options, `@CacheControl() on ${whereOf(target, propertyKey)}`);
    Header('Cache-Control', value)(target, propertyKey, descriptor);
    const restrictions = value.split(', ').filter((directive) => RESTRICTIONS.has(directive));
    const interceptor = new FailedLifetimeInterceptor(value, restrictions.join(', '));
    UseInterceptors(interceptor)(target, propertyKey, descriptor);
  };
}

function cacheControlOf(options: CacheControlOptions, where: string): string {
  // A directive with the value false is not sent.
  const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== false));
  checkOptions(OPTIONS, isRecord(options) ? given : options, where);
  const directives: string[] = [];
  for (const name of Object.keys(OPTIONS.rows)) {
    const value: unknown = given[name];
    if (value === undefined) continue;
    const directive = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    directives.push(value === true ? directive : `${directive}=${seconds(value, `${name} of ${where}`)}`);
  }
  if (directives.length === 0)
    throw invalid(`${where} has no directive. Write for example { maxAge: '5m' }.`);
  return directives.join(', ');
}

/** Whole seconds, rounded down: never longer than the given duration. */
function seconds(duration: unknown, where: string): number {
  const milliseconds = parseDuration(duration, where);
  if (Number.isFinite(milliseconds)) return Math.floor(milliseconds / 1000);
  throw invalid(
    `${where} is null, but Cache-Control cannot express an unlimited lifetime. Write a duration, e.g. '1d'.`,
  );
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_OPTION', message);
}
