import { Controller, Get, Headers, Param, Query, Res } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CacheResponse, CacheService, type CacheResponseOptions } from '../../lib/index.js';
import { announce, isSoak, randomNumbers, seed } from '../support/randomised.js';
import { platforms, type TestApplication } from './support/application.js';
import { RawConnection, type RawAnswer } from './support/connection.js';
import { LANE, startLane, type LaneApplication } from './support/lane.js';

const REQUESTS = isSoak ? 50_000 : 2_000;

/** Requests between two events, such as an invalidation or the passing of time. */
const BETWEEN_EVENTS = 60;

/** Counts changes of the data, for both applications alike. */
let version = 1;

/** The same pages with the fast lane and without it: one class each, since options belong to a class. */
function pagesWith(more: Partial<CacheResponseOptions>): new () => object {
  @Controller()
  class Pages {
    @Get('plain') @CacheResponse({ ttl: 60, tags: ['a'], ...more }) plain(): unknown {
      return { version };
    }

    @Get('of/:id') @CacheResponse({ ttl: 40, tags: ['a'], ...more }) of(
      @Param('id') id: string,
      @Query() query: object,
    ): unknown {
      return { id, query: Object.entries(query).sort(), version };
    }

    @Get('paged') @CacheResponse({ ttl: 60, tags: ['b'], query: ['page'], ...more }) paged(
      @Query() query: object,
    ): unknown {
      return { query, version };
    }

    @Get('language') @CacheResponse({ ttl: 60, tags: ['b'], ...more }) language(
      @Headers('accept-language') language = '',
    ): unknown {
      return { language, version };
    }

    @Get('sometimes') @CacheResponse({ ttl: 60, tags: ['b'], ...more }) sometimes(
      @Headers() headers: Record<string, string>,
    ): unknown {
      return { accept: version % 2 === 0 ? headers['accept'] : 'any', version };
    }

    @Get('aged') @CacheResponse({ ttl: 30, tags: ['a'], cacheControl: true, ...more }) aged(): unknown {
      return { version };
    }

    @Get('stale')
    @CacheResponse({ ttl: 20, staleWhileRevalidate: 20, refreshAhead: 0.8, tags: ['b'], ...more })
    stale(): unknown {
      // Not the version: the two applications may be refreshed at different moments.
      return { stale: true };
    }

    @Get('dated') @CacheResponse({ ttl: 60, tags: ['a'], ...more }) dated(
      @Res({ passthrough: true }) response: { header(name: string, value: unknown): unknown },
    ): string {
      response.header('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT');
      response.header('Link', ['</a>; rel=preload', '</b>; rel=preload']);
      response.header('X-Name', 'caf\u00e9');
      return `text ${version}`;
    }

    @Get('tagged') @CacheResponse({ ttl: 60, tags: ['a'], ...more }) tagged(
      @Res({ passthrough: true }) response: { header(name: string, value: unknown): unknown },
    ): object {
      response.header('ETag', `W/"${version}"`);
      response.header('Age', '3');
      response.header('Cache-Control', 'max-age=50');
      return Array.from({ length: 50 }, (_, at) => ({ at, version }));
    }

    @Get('obeying')
    @CacheResponse({ ttl: 60, tags: ['b'], honourRequestDirectives: true, ...more })
    obeying(): unknown {
      return { version };
    }

    @Get('missing')
    @CacheResponse({ ttl: 60, statuses: [200, 203, 404], tags: ['b'], ...more })
    missing(@Res({ passthrough: true }) response: { status(code: number): unknown }): unknown {
      response.status(version % 2 === 0 ? 404 : 203);
      return { version };
    }

    @Get('empty') @CacheResponse({ ttl: 60, tags: ['a'], ...more }) empty(): string {
      return '';
    }
  }
  return Pages;
}

const PATHS = [
  ...[
    '/plain',
    '/of/1',
    '/of/2',
    '/of/%31',
    '/paged',
    '/language',
    '/sometimes',
    '/aged',
    '/stale',
    '/dated',
  ],
  ...[
    '/tagged',
    '/obeying',
    '/missing',
    '/empty',
    '/nothing',
    '/plain/',
    '//plain',
    '/PLAIN',
    'http://a.test/plain',
  ],
];
const QUERIES = ['', '', '', '', '?page=1', '?page=2', '?page=1&x=2', '?x=2&page=1', '?'];
const HEADERS = [
  ...['Accept-Language: de', 'Accept-Language: fr', 'Accept: text/html', 'Origin: https://b.test'],
  ...['Authorization: Bearer x', 'X-Api-Key: x', 'Cookie: sid=1', 'Cookie: _ga=1', 'Range: bytes=0-3'],
  ...['If-None-Match: *', 'If-None-Match: W/"1", W/"2"', 'If-Modified-Since: Fri, 02 Jan 2026 00:00:00 GMT'],
  ...['If-Modified-Since: never', 'If-Match: "x"', 'Cache-Control: no-cache', 'Cache-Control: max-age=5'],
  ...['Pragma: no-cache', 'X-Forwarded-Host: c.test', 'X-Forwarded-Proto: https', 'X-Forwarded-For: 1.2.3.4'],
  ...[
    'Accept-Encoding: gzip, br',
    'User-Agent: one',
    'Content-Length: 0',
    'X-Cache-Explain: x',
    'TE: trailers',
  ],
  ...['Connection: keep-alive', 'Accept-Version: 1', 'If-Range: "x"', 'Upgrade-Insecure-Requests: 1'],
];

/** Draws the same requests and events for both applications. */
class Draw {
  constructor(private readonly random: () => number) {}

  request(): { readonly bytes: Buffer; readonly method: string; readonly text: string } {
    const draw = this.random();
    const method = draw < 0.8 ? 'GET' : draw < 0.95 ? 'HEAD' : this.one(['OPTIONS', 'POST', 'DELETE']);
    const lines = [`${method} ${this.one(PATHS)}${this.one(QUERIES)} HTTP/1.1`];
    lines.push(`Host: ${this.random() < 0.9 ? 'a.test' : 'b.test:8080'}`);
    while (this.random() < 0.25) lines.push(this.one(HEADERS));
    const text = `${lines.join('\r\n')}\r\n\r\n`;
    return { bytes: Buffer.from(text), method, text };
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  one<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }
}

/** Headers that the two may have in other words: they tell the time, or what the cache did. */
const OWN = /^(date|age|x-cache-status|cache-status|x-cached-at|x-cache-reset-at): [^\r]*\r\n/gim;

function comparable({ head, body }: RawAnswer): string {
  return `${`${head}\r\n`.replace(OWN, '')}\r\n${body.toString('latin1')}`;
}

describe.each(platforms)('answers of the fast lane on %s', (platform) => {
  let lane: LaneApplication;
  let pipeline: TestApplication;
  let connections: RawConnection[];

  beforeAll(async () => {
    version = 1;
    lane = await startLane(platform, { controllers: [pagesWith({ fastLane: LANE })] });
    pipeline = await startLane(platform, { controllers: [pagesWith({})] });
    connections = [lane, pipeline].map(({ port }) => new RawConnection(port));
  });
  afterAll(async () => {
    for (const connection of connections) connection.close();
    await Promise.all([lane.close(), pipeline.close()]);
  });

  /** Something that changes what both applications hold. */
  const events: readonly ((draw: Draw) => Promise<void>)[] = [
    async (draw) => {
      version++;
      const tags = [draw.one(['a', 'b'])];
      await each((cache) => cache.invalidateTags(tags));
    },
    async () => {
      version++;
      await each((cache) => cache.clear());
    },
    async (draw) => {
      const seconds = draw.one([1, 7, 21, 61]);
      for (const { clock } of [lane, pipeline]) clock.advance(seconds);
      await Promise.resolve();
    },
    async () => {
      await each((cache) => (cache.disable(), undefined));
    },
  ];
  const each = async (run: (cache: CacheService) => unknown): Promise<void> => {
    await Promise.all([lane, pipeline].map(({ cache }) => run(cache)));
  };

  it(
    'equal those of the framework, for random requests, invalidations and times',
    async () => {
      announce(`the fast lane on ${platform}`, REQUESTS);
      const draw = new Draw(randomNumbers(seed));
      const differences: string[] = [];
      lane.reached();
      let request = draw.request();
      for (let at = 0; at < REQUESTS && differences.length < 5; at++) {
        if (at % BETWEEN_EVENTS === 0) {
          await each((cache) => (cache.enable(), undefined));
          await draw.one(events)(draw);
        }
        // A client repeats itself: the lane learns from the first requests what it answers to the next ones.
        if (draw.chance(0.2)) request = draw.request();
        const { bytes, method, text } = request;
        const [one, other] = await Promise.all(connections.map((it) => it.ask(bytes, method)));
        if (comparable(one!) !== comparable(other!))
          differences.push(`${text}${comparable(one!)}\n--- and not\n${comparable(other!)}`);
      }
      expect(differences).toEqual([]);
      // Enough of them were answered by the lane.
      expect(lane.reached()).toBeLessThan(0.85 * REQUESTS);
    },
    60_000 + REQUESTS * 20,
  );
});
