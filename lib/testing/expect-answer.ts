import { AssertionError } from 'node:assert';

/** An answer as supertest, `fetch()`, undici or Fastify's `inject()` give it. */
export interface TestedAnswer {
  readonly headers: Headers | Readonly<Record<string, unknown>>;
}

const FROM_CACHE: ReadonlySet<string> = new Set(['HIT', 'STALE']);

/**
 * Asserts that an answer came from the cache, fresh. Needs `setCacheHeaders: true`.
 *
 * @throws AssertionError that says what the cache did instead, and why
 * @example
 * expectHit(await request(server).get('/articles/1'));
 *
 * @publicApi
 */
export function expectHit(answer: TestedAnswer): void {
  const status = statusOf(answer);
  if (status !== 'HIT') fail(answer, 'HIT', status, expectHit);
}

/**
 * Asserts that the handler ran for this answer: nothing in it came from the cache. Needs `setCacheHeaders: true`.
 *
 * @throws AssertionError that says what the cache did instead
 * @example
 * await articles.save({ id: 1, title: 'new' });
 * expectFresh(await request(server).get('/articles/1'));
 *
 * @publicApi
 */
export function expectFresh(answer: TestedAnswer): void {
  const status = statusOf(answer);
  if (FROM_CACHE.has(status)) fail(answer, 'an answer of the handler', status, expectFresh);
}

function statusOf(answer: TestedAnswer): string {
  const status = headerOf(answer, 'x-cache-status');
  if (status !== undefined) return status;
  throw new AssertionError({
    message:
      'The answer has no X-Cache-Status. Write forRoot({ setCacheHeaders: true }), or restflowCacheForTests(); a route without ' +
      '@CacheResponse() has none.',
    stackStartFn: statusOf,
  });
}

function fail(answer: TestedAnswer, expected: string, actual: string, stackStartFn: Function): never {
  const why = headerOf(answer, 'cache-status');
  throw new AssertionError({
    message: `Expected ${expected}, and the cache says ${actual}${why === undefined ? '' : ` (Cache-Status: ${why})`}.`,
    expected,
    actual,
    stackStartFn: stackStartFn as (...args: unknown[]) => unknown,
  });
}

function headerOf({ headers }: TestedAnswer, name: string): string | undefined {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  return value === undefined || value === null ? undefined : String(value);
}
