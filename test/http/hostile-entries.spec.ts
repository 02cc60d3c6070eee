import { Controller, Get, Header, Injectable, Param } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { CacheResponse, CacheResult, memoryStore, tieredStore, type CacheStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { HOSTILE_VALUES, mutate, type Random } from '../support/mutations.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { uniqueName } from '../support/unique.js';
import { platforms, start, until, type PlatformName, type TestApplication } from './support/application.js';

const PAGES = 40;

@Injectable()
class Values {
  @CacheResult(600)
  async value(id: string): Promise<unknown> {
    return { id, at: new Date(0), map: new Map([[id, [1, -0, undefined]]]) };
  }
}

@Controller()
class Pages {
  constructor(private readonly values: Values) {}

  @Get('ttl/:id')
  @Header('Last-Modified', 'Wed, 01 Jan 2020 00:00:00 GMT')
  @CacheResponse({ ttl: 600, cacheControl: true })
  page(@Param('id') id: string): object {
    return { id };
  }

  @Get('headers/:id')
  @Header('Cache-Control', 'public, max-age=600')
  @Header('ETag', '"own"')
  @CacheResponse({ freshness: 'headers' })
  shared(@Param('id') id: string): object {
    return { id };
  }

  @Get('value/:id')
  async value(@Param('id') id: string): Promise<object> {
    await this.values.value(id);
    return { id };
  }
}

const redis = new Redis(serverUrl('redis'), { lazyConnect: true });
beforeAll(() => redis.connect());
afterAll(() => redis.disconnect());

let running: TestApplication | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

/** What is not caught anywhere. */
const uncaught: unknown[] = [];
const note = (error: unknown): void => void uncaught.push(error);
beforeAll(() => {
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
});
afterAll(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

const MEMBERS = ['etag', 'lastModified', 'cacheControl', 'shared', 'reason', 'onRaw'];

const HOSTILE: readonly unknown[] = [
  ...HOSTILE_VALUES,
  ...[[['Set-Cookie', 'a=b']], [['Content-Length', '9999']], [['Transfer-Encoding', 'chunked']]],
  ...[[['a b', 'c']], [['x-a', 'b\r\nc: d']], { etag: 7 }, { shared: {} }, { shared: { fields: 1 } }],
];

const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });
const PREFIX_BYTES = 6;

/** An entry with other data of the same layout. */
function mutateData(entry: Buffer, random: Random): Buffer {
  const end = PREFIX_BYTES + entry.readUInt32BE(2);
  let head: unknown = packr.unpack(entry.subarray(PREFIX_BYTES, end));
  for (let times = 1 + Math.floor(random() * 2); times > 0; times--)
    head =
      Array.isArray(head) && head.length > 9 && random() < 0.7
        ? head.with(9, mutate(head[9], random, MEMBERS, HOSTILE))
        : mutate(head, random, MEMBERS, HOSTILE);
  const packed = packr.pack(head);
  const prefix = Buffer.from(entry.subarray(0, PREFIX_BYTES));
  prefix.writeUInt32BE(packed.length, 2);
  return Buffer.concat([prefix, packed, entry.subarray(end)]);
}

/** An entry with some other bytes, fewer or more. */
function mutateBytes(entry: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(entry);
  if (random() < 0.2) return bytes.subarray(0, Math.floor(random() * bytes.length));
  if (random() < 0.1) return Buffer.concat([bytes, bytes]);
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return bytes;
}

async function writeMutated(originals: ReadonlyMap<string, Buffer>, random: Random): Promise<void> {
  const pipeline = redis.pipeline();
  for (const [key, entry] of originals)
    pipeline.set(key, random() < 0.6 ? mutateData(entry, random) : mutateBytes(entry, random));
  await pipeline.exec();
}

async function written(namespace: string, count: number): Promise<Map<string, Buffer>> {
  let keys: string[] = [];
  await until(async () => (keys = await redis.keys(`${namespace}:e:*`)).length >= count, 'the entries');
  return new Map(await Promise.all(keys.map(async (key) => [key, (await redis.getBuffer(key))!] as const)));
}

async function boot(platform: PlatformName, store: CacheStore, namespace: string): Promise<TestApplication> {
  running = await start(platform, {
    controllers: [Pages],
    providers: [Values],
    cache: { store, namespace },
  });
  return running;
}

/** Asks for every page at once. */
function askAll(app: TestApplication): Promise<Awaited<ReturnType<TestApplication['get']>>[]> {
  const paths = ['ttl', 'headers', 'value'].flatMap((kind) =>
    Array.from({ length: PAGES }, (_, id) => `/${kind}/${id}`),
  );
  return Promise.all(
    paths.map((path) =>
      Promise.race([
        app.get(path, { 'if-none-match': '"none"' }),
        new Promise<never>((_, reject) =>
          setTimeout(() => reject(new Error(`${path} hangs`)), 20_000).unref(),
        ),
      ]),
    ),
  );
}

const STORES: Record<string, () => CacheStore> = {
  Redis: () => redisStore({ url: serverUrl('redis') }),
  'Redis under memory': () =>
    tieredStore({ l1: memoryStore({ maxEntries: 2 }), l2: redisStore({ url: serverUrl('redis') }) }),
};

describe.each(platforms)('entries that somebody else wrote, on %s', (platform) => {
  it.each(Object.keys(STORES))('in %s fail no request and hang none', async (name) => {
    const namespace = uniqueName('hostile');
    const app = await boot(platform, STORES[name]!(), namespace);
    await askAll(app);
    const originals = await written(namespace, 3 * PAGES);
    const rounds = Math.ceil(soaked(20_000) / originals.size / 4);
    announce(`hostile entries in ${name} on ${platform}`, rounds * originals.size);
    const random = randomNumbers(seed);
    for (let round = 0; round < rounds; round++) {
      await writeMutated(originals, random);
      for (const { status, headers, bytes } of await askAll(app)) {
        expect(status).toBeGreaterThanOrEqual(200);
        expect([500, 502, 503]).not.toContain(status);
        expect(headers).not.toHaveProperty('set-cookie');
        if (headers['content-length'] !== undefined && status !== 304)
          expect(Number(headers['content-length'])).toBe(bytes.length);
      }
    }
    expect(uncaught).toEqual([]);
    expect(app.complaints.filter((line) => !/cannot be stored|not stored/.test(line))).toEqual([]);
  });
});

it('generations that somebody else wrote are misses', async () => {
  const namespace = uniqueName('hostile');
  const app = await boot('express', STORES['Redis']!(), namespace);
  await app.get('/ttl/1');
  await until(async () => (await app.get('/ttl/1')).cache === 'HIT', 'a hit');
  const tags = await redis.keys(`${namespace}:g:*`);
  for (const value of ['', '.', 'a', 'a.b.c', '\0', '\xff'.repeat(100), JSON.stringify({ hard: 1 })]) {
    for (const tag of tags) await redis.set(tag, value);
    const { status, body } = await app.get('/ttl/1');
    expect([status, body]).toEqual([200, '{"id":"1"}']);
  }
  for (const tag of tags) await redis.multi().del(tag).rpush(tag, 'a list').exec();
  expect((await app.get('/ttl/1')).status).toBe(200);
  expect(uncaught).toEqual([]);
});
