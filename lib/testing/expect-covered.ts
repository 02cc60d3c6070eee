import { AssertionError } from 'node:assert';
import type { UncoveredLoad } from '../cache/cache-report.js';
import { CACHE_RUNTIME } from '../cache/runtime-token.js';

/** The member of an application that is used. */
interface TestedApplication {
  get(token: string | symbol, options?: { strict: boolean }): unknown;
}

/**
 * Asserts that every table which the loads of the test have read is covered by a rule of the cached method that read it. To be called at the
 * end of tests that call the methods, e.g. in `afterAll`.
 *
 * @param app the application or testing module
 * @param options `except`: names of methods that live by their lifetime alone
 * @throws AssertionError that names class, method, table and the line to write
 * @example
 * afterAll(() => expectCovered(app, { except: ['RatesService.today'] }));
 *
 * @publicApi
 */
export function expectCovered(
  app: TestedApplication,
  { except = [] }: { readonly except?: readonly string[] } = {},
): void {
  const runtime = app.get(CACHE_RUNTIME, { strict: false }) as {
    uncoveredLoads(): readonly UncoveredLoad[];
  };
  const uncovered = runtime.uncoveredLoads().filter(({ method }) => !except.includes(method));
  if (uncovered.length === 0) return;
  throw new AssertionError({
    message: uncovered.map(({ line }) => line).join('\n'),
    actual: uncovered.map(({ method, table }) => `${method}: ${table}`),
    expected: [],
    stackStartFn: expectCovered as (...args: unknown[]) => unknown,
  });
}
