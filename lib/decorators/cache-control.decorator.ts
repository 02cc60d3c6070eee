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
  /** How long any cache may reuse the answer. Seconds, or `'5m'`; no default: not sent. */
  maxAge?: Duration | undefined;
  /** How long shared caches may, in place of `maxAge`. Seconds, or `'5m'`. */
  sMaxage?: Duration | undefined;
  /** How long after that it may be served while it is asked for anew (RFC 5861 §3). */
  staleWhileRevalidate?: Duration | undefined;
  /** How long after that it may be served where asking fails (RFC 5861 §4). */
  staleIfError?: Duration | undefined;
  /** Shared caches may keep it, though the request carried credentials. */
  public?: boolean | undefined;
  /** Only the caches of its user may keep it; this one does not. */
  private?: boolean | undefined;
  /** Caches must ask before each reuse. */
  noCache?: boolean | undefined;
  /** No cache may keep it. */
  noStore?: boolean | undefined;
  /** Nobody on the way may change the body. */
  noTransform?: boolean | undefined;
  /** Never served past its lifetime. */
  mustRevalidate?: boolean | undefined;
  /** Never served past its lifetime by shared caches. */
  proxyRevalidate?: boolean | undefined;
  /** Kept by caches alone that know its status code. */
  mustUnderstand?: boolean | undefined;
  /** It never changes while it is fresh (RFC 8246). */
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

/** What holds for errors as well. */
const FORBIDDING = new Set(['private', 'no-cache', 'no-store', 'no-transform']);

/**
 * Sends Cache-Control with every answer of a handler; with errors that it throws, what forbids alone. The cache here obeys it as it does what a handler sets itself: a
 * `maxAge` (or `sMaxage`) below the TTL shortens it, and what is private, not to be cached or not to be stored is not.
 *
 * @throws CacheConfigurationError for unknown or contradicting directives; TypeError for what is no duration
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
    const forbidding = value.split(', ').filter((directive) => FORBIDDING.has(directive));
    const interceptor = new FailedLifetimeInterceptor(value, forbidding.join(', '));
    UseInterceptors(interceptor)(target, propertyKey, descriptor);
  };
}

function cacheControlOf(options: CacheControlOptions, where: string): string {
  // A directive that is false is not sent.
  const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== false));
  checkOptions(OPTIONS, isRecord(options) ? given : options, where);
  const directives: string[] = [];
  for (const name of Object.keys(OPTIONS.rows)) {
    const value: unknown = given[name];
    if (value === undefined) continue;
    const directive = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    directives.push(value === true ? directive : `${directive}=${seconds(value, `${name} of ${where}`)}`);
  }
  if (directives.length === 0) throw invalid(`${where} says nothing. Write for example { maxAge: '5m' }.`);
  return directives.join(', ');
}

/** Whole ones, rounded down: never longer than was meant. */
function seconds(duration: unknown, where: string): number {
  const milliseconds = parseDuration(duration, where);
  if (Number.isFinite(milliseconds)) return Math.floor(milliseconds / 1000);
  throw invalid(`${where} is null, but no header says 'for ever'. Write a duration, e.g. '1d'.`);
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_OPTION', message);
}
