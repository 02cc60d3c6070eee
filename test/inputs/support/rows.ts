import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { memoryStore, type CacheStore } from '../../../lib/index.js';
import { redisStore } from '../../../lib/redis.js';
import {
  platforms,
  start,
  type Answer,
  type ApplicationOptions,
  type PlatformName,
  type TestApplication,
} from '../../http/support/application.js';
import { serverUrl } from '../../servers/url.js';
import { uniqueName } from '../../support/unique.js';

export const STORES = ['memory', 'redis'] as const;
export type StoreName = (typeof STORES)[number];

export function storeOf(name: StoreName): CacheStore {
  return name === 'memory' ? memoryStore() : redisStore({ url: serverUrl('redis') });
}

/** What one visitor sends. */
export interface Sent {
  readonly headers?: Record<string, string>;
  /** Path of a page; `/page/<id>` where it says nothing. */
  path?(id: number): string;
}

/** An application that nothing was declared for, and the requests of visitors who see different pages. */
export interface Row {
  readonly name: string;
  readonly platforms?: readonly PlatformName[];
  application(platform: PlatformName): Omit<ApplicationOptions, 'setup'>;
  /** In front of the routes. */
  readonly setup?: (app: INestApplication, platform: PlatformName) => void;
  readonly visitors: Readonly<Record<'ada' | 'bob' | 'anonymous', Sent>>;
}

const NOT_COMPARED =
  /^(date|connection|keep-alive|transfer-encoding|content-length|vary|etag|cache-.*|age|x-cache.*)$/;

/** Status, headers of the content, and body. */
export function contentOf({ status, headers, body }: Answer): object {
  const kept = Object.entries(headers).filter(([name]) => !NOT_COMPARED.test(name));
  return { status, headers: Object.fromEntries(kept), body };
}

/** In which order they come, each on a page of its own: whoever is first must not decide for the others. */
const ORDERS = [
  ['ada', 'bob', 'anonymous', 'ada', 'bob', 'anonymous'],
  ['anonymous', 'bob', 'ada', 'anonymous', 'ada', 'bob'],
] as const;

/** Every row on both platforms and in both stores: everybody gets the answer that he gets without a cache. */
export function describeRows(title: string, rows: readonly Row[]): void {
  describe.each(platforms)(`${title} on %s`, (platform) => {
    const running: TestApplication[] = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((app) => app.close()));
    });

    async function run(row: Row, cache: ApplicationOptions['cache']): Promise<TestApplication> {
      const { cache: own, ...application } = row.application(platform);
      const app = await start(platform, {
        ...application,
        cache: { ...own, ...cache },
        setup: (one) => row.setup?.(one, platform),
      });
      running.push(app);
      return app;
    }

    describe.each(STORES)('in %s', (storeName) => {
      const here = rows.filter((row) => row.platforms?.includes(platform) ?? true);
      it.each(here)('$name', async (row) => {
        const namespace = uniqueName('inputs');
        const cached = await run(row, { namespace, store: storeOf(storeName) });
        const uncached = await run(row, { enabled: false });
        for (const [id, order] of ORDERS.entries()) {
          const bodies = new Set<string>();
          for (const visitor of order) {
            const { headers = {}, path = (page: number) => `/page/${page}` } = row.visitors[visitor];
            const request = { headers: { host: 'a.test', ...headers } };
            const wanted = await uncached.get(path(id), request);
            expect({ visitor, ...contentOf(await cached.get(path(id), request)) }).toEqual({
              visitor,
              ...contentOf(wanted),
            });
            bodies.add(JSON.stringify(contentOf(wanted)));
          }
          expect(bodies.size).toBeGreaterThan(1);
        }
      });
    });
  });
}

/** Visitors who differ in one header. */
export function sending(name: string, ada: string, bob: string, anonymous?: string): Row['visitors'] {
  return {
    ada: { headers: { [name]: ada } },
    bob: { headers: { [name]: bob } },
    anonymous: anonymous === undefined ? {} : { headers: { [name]: anonymous } },
  };
}

export const withSessions = sending('cookie', 'sid=ada', 'sid=bob');
