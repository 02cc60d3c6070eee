import { readdirSync, readFileSync } from 'node:fs';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  CACHE_CHANNELS,
  CacheResponse,
  CacheResult,
  explainToken,
  type InvalidateEvent,
} from '../../lib/index.js';
import { platforms, start } from '../http/support/application.js';
import { TestApplication } from '../support/application.js';
import { documentedDefaults } from './support/documented-defaults.js';
import { expectPinned } from './support/pin.js';
import { SharedRecordingStore } from './support/recording-store.js';

const lib = join(import.meta.dirname, '..', '..', 'lib');
const CODE = /(?<=['"])(?:BUMP|CACHE|DISPATCHER|INVALIDATION|JOB|KEY|OUTBOX|STORE)_[A-Z_]+(?=['"])/g;

class Things {
  @CacheResult({ ttl: 60, tags: ['things'] }) async find(id: number): Promise<number> {
    return id;
  }
}

interface Response {
  status(code: number): Response;
}

@Controller()
class Pages {
  @Get('status/:code') @CacheResponse({ ttl: 60, setCacheHeaders: true }) status(
    @Param('code') code: string,
    @Res({ passthrough: true }) response: Response,
  ): string {
    response.status(Number(code));
    return code;
  }
  @Get('size/:bytes') @CacheResponse({ ttl: 60, setCacheHeaders: true }) size(
    @Param('bytes') bytes: string,
  ): string {
    return 'x'.repeat(Number(bytes));
  }
  @Get('silent') @CacheResponse(60) silent(): string {
    return 'silent';
  }
  @Get('controlled')
  @CacheResponse({ ttl: 60, cacheControl: true, setCacheHeaders: true })
  controlled(): string {
    return 'controlled';
  }
}

/** The order of properties means nothing. */
function sortedJson(value: unknown): string {
  const sort = (_: string, member: unknown): unknown =>
    typeof member !== 'object' || member === null || Array.isArray(member)
      ? member
      : Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(value, sort, 2);
}

describe('names stay as pinned:', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('codes of errors', () => {
    const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    // Comments name codes too.
    const code = files
      .map((file) => readFileSync(join(lib, file), 'utf8').replace(/^\s*\*.*$/gm, ''))
      .join('\n');
    expectPinned('names/error-codes.txt', [...new Set(code.match(CODE))].sort().join('\n'));
  });

  it('metrics, health and status', async () => {
    const app = await TestApplication.start([Things], { dataSources: false });
    try {
      const things = app.get(Things);
      await things.find(1);
      await things.find(1);
      await app.cache.invalidateTags(['things']);
      const metrics = sortedJson(app.cache.metrics())
        .replace(/("loadSeconds": )[\d.e-]+/g, '$1(seconds)')
        // An estimate.
        .replace(/("bytes": |"storedBytes": )[1-9]\d*/g, '$1(bytes)');
      const others = [app.cache.health(), app.cache.status()].map(sortedJson);
      expectPinned('names/metrics.txt', [metrics, ...others].join('\n\n'));
    } finally {
      await app.close();
    }
  });

  it('channels and their events', async () => {
    const lines: string[] = [];
    const write = (channel: string, event: object): void =>
      void lines.push(`${channel}\n${sortedJson(event)}`);
    const onInvalidate = (event: unknown): void => {
      const { tags, count } = event as InvalidateEvent;
      write('nestjs-restflow-cache:invalidate', { ...(event as object), tags, count });
    };
    const onStore = (event: unknown): void =>
      write('nestjs-restflow-cache:store', { ...(event as object), reason: '(reason)' });
    const onLoad = Object.fromEntries(
      ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((name) => [
        name,
        ({ seconds, ...event }: { seconds?: number }) =>
          write(`nestjs-restflow-cache:load, ${name}`, {
            ...event,
            seconds: seconds === undefined ? undefined : '(seconds)',
          }),
      ]),
    );
    const loads = tracingChannel(CACHE_CHANNELS.load);
    subscribe(CACHE_CHANNELS.invalidate, onInvalidate);
    subscribe(CACHE_CHANNELS.store, onStore);
    loads.subscribe(onLoad as never);
    const store = new SharedRecordingStore();
    const app = await TestApplication.start([Things], { dataSources: false, store });
    try {
      await app.get(Things).find(1);
      await app.cache.invalidateTags(['things']);
      store.isDown = true;
      for (let times = 0; times < 10; times++) await app.get(Things).find(2);
    } finally {
      await app.close();
      unsubscribe(CACHE_CHANNELS.invalidate, onInvalidate);
      unsubscribe(CACHE_CHANNELS.store, onStore);
      loads.unsubscribe(onLoad as never);
    }
    expectPinned('names/events.txt', [sortedJson(CACHE_CHANNELS), ...new Set(lines)].join('\n\n'));
  });

  it.each(platforms)('headers, and what is stored by default, on %s', async (platform) => {
    const app = await start(platform, { controllers: [Pages], cache: { setCacheHeaders: false } });
    try {
      const lines: string[] = [];
      const ask = async (path: string, headers: Record<string, string> = {}): Promise<void> => {
        const answer = await app.get(path, headers);
        const own = Object.entries(answer.headers)
          .filter(([name]) => /cache|age|expires|etag|vary/.test(name))
          .sort()
          .map(([name, value]) => `  ${name}: ${String(value)}`);
        lines.push(`GET ${path} ${JSON.stringify(headers)}: ${answer.status}`, ...own);
      };
      for (const code of [200, 201, 203, 204, 206, 300, 301, 302, 308, 404, 410, 500]) {
        await ask(`/status/${code}`);
        await ask(`/status/${code}`);
      }
      for (const bytes of [1_048_576, 1_048_577]) {
        await ask(`/size/${bytes}`);
        await ask(`/size/${bytes}`);
      }
      for (const path of ['/silent', '/controlled']) {
        await ask(path);
        await ask(path);
      }
      await ask('/status/200', { authorization: 'Bearer x' });
      expectPinned(`names/headers-${platform}.txt`, lines.join('\n'));
    } finally {
      await app.close();
    }
  });

  it('tokens of explain', () => {
    jest.spyOn(Date, 'now').mockReturnValue(Date.UTC(2026, 0, 1));
    expect(explainToken('a secret of thirty-two characters', '1h')).toBe(
      '1767229200.IupRDikrt43T2T3cpunOpo9QpSZuGqI21n1XitLsn60',
    );
  });

  it('options and their documented defaults', () => {
    expectPinned('names/defaults.txt', documentedDefaults().join('\n'));
  });
});
