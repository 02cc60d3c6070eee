import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { announce, seed } from '../support/randomised.js';
import { Draw } from './support/draw.js';
import { ordinarySite, setUpOrdinarySite } from './support/ordinary.js';
import { contentOf } from './support/rows.js';
import { analyticsCookies } from './support/visitors.js';

const VISITS = 60;
const PROMISED_RATE = 0.9;
const PATHS = ['/articles', '/articles?page=2', '/articles/7', '/about', '/feed.xml'];

/** What a browser sends that was never here before. */
function browser(draw: Draw): Record<string, string> {
  return {
    host: 'www.a.test',
    accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
    'accept-encoding': draw.one(['gzip, deflate, br', 'gzip', 'identity']),
    'accept-language': draw.one(['de-DE,de;q=0.9', 'en-GB,en;q=0.7', 'fr']),
    'user-agent': `Mozilla/5.0 (${draw.below(1e9)})`,
    referer: `https://search.test/?q=${draw.below(1e9)}`,
    'x-forwarded-for': `198.51.100.${draw.below(250)}, 203.0.113.9`,
    'x-real-ip': `198.51.100.${draw.below(250)}`,
    'x-request-id': `request-${draw.below(1e9)}`,
    traceparent: `00-${String(draw.below(1e9)).padStart(32, '0')}-00f067aa0ba902b7-01`,
    'sec-fetch-mode': draw.one(['navigate', 'cors']),
    ...(draw.chance(0.3) && { origin: `https://${draw.one(['a', 'b'])}.test` }),
  };
}

const visitors: [string, (draw: Draw) => Record<string, string>][] = [
  ['without cookies', browser],
  ['with analytics cookies', (draw) => ({ ...browser(draw), cookie: analyticsCookies(draw) })],
];

describe.each(platforms)('an ordinary site on %s, of which nothing was declared', (platform) => {
  let cached: TestApplication;
  let uncached: TestApplication;
  const startSite = (cache: object): Promise<TestApplication> =>
    start(platform, { ...ordinarySite(), cache, setup: (app) => setUpOrdinarySite(app, platform) });

  beforeAll(async () => {
    announce(`an ordinary site on ${platform}`, VISITS);
    cached = await startSite({});
    uncached = await startSite({ enabled: false });
  });
  afterAll(async () => {
    await cached.close();
    await uncached.close();
  });

  describe.each(visitors)('visitors %s', (_name, headersOf) => {
    it.each(PATHS)('get hits on %s', async (path) => {
      const draw = new Draw(seed);
      await cached.cache.clear();
      let hits = 0;
      for (let visit = 0; visit < VISITS; visit++) {
        const { status, cache } = await cached.get(path, { headers: headersOf(draw) });
        expect(status).toBe(200);
        if (cache === 'HIT') hits++;
      }
      expect(hits / VISITS).toBeGreaterThanOrEqual(PROMISED_RATE);
    });

    it('get the answers that they get without the cache', async () => {
      const draw = new Draw(seed + 1);
      for (const path of [...PATHS, ...PATHS]) {
        const request = { headers: { ...headersOf(draw), 'accept-encoding': 'identity' } };
        const [got, wanted] = await Promise.all([cached.get(path, request), uncached.get(path, request)]);
        const { 'x-ratelimit-remaining': _got, ...headers } = got.headers;
        const { 'x-ratelimit-remaining': _wanted, ...wantedHeaders } = wanted.headers;
        expect(contentOf({ ...got, headers })).toEqual(contentOf({ ...wanted, headers: wantedHeaders }));
      }
    });
  });
});
