import * as zlib from 'node:zlib';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { isolateValues } from '../../lib/cache/values/isolation.js';
import { KnownClasses } from '../../lib/cache/values/classes.js';
import { responseValues, StoredResponse } from '../../lib/http/answer/stored-response.js';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore, type CompressionOptions } from '../../lib/redis.js';
import { EncodedValue } from '../../lib/stores/encoded-value.js';
import { encodeEntry } from '../../lib/stores/entry-codec.js';
import { Entry, type CacheStore, type StoreQuery } from '../../lib/stores/index.js';
import { serverUrl } from '../servers/url.js';
import { announce, randomNumbers, seed } from '../support/randomised.js';
import { storeHost } from '../support/store-host.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const hasZstd = 'zstdCompress' in zlib;

const url = serverUrl('redis');
const redis = new Redis(url);
const open: CacheStore[] = [];

afterEach(async () => {
  for (const store of open.splice(0)) await store.close?.();
});
afterAll(() => redis.disconnect());

async function ready(store: CacheStore): Promise<CacheStore> {
  open.push(store);
  store.attach?.(storeHost);
  await store.ready?.();
  return store;
}

const start = (compression?: CompressionOptions): Promise<CacheStore> =>
  ready(redisStore({ url, timeout: 2_000, compression }));

const plainValues = isolateValues('clone', new KnownClasses());
let counter = 0;

function query(values: StoreQuery['values'] = plainValues): StoreQuery {
  const key = `compression-${process.pid}-${Date.now()}-${++counter}`;
  return { key, values, tags: () => [`${key}:tag`] };
}

async function entryOf(store: CacheStore, at: StoreQuery, stored: unknown, size: number): Promise<Entry> {
  const now = Date.now();
  return new Entry(stored, now, now + 60_000, now + 60_000, await store.stamp(at.tags()), size);
}

async function write(store: CacheStore, at: StoreQuery, value: unknown): Promise<boolean | void> {
  const { stored, size } = plainValues.prepare(value) as { stored: unknown; size: number };
  return store.set(at, await entryOf(store, at, stored, size));
}

async function read(store: CacheStore, at: StoreQuery): Promise<unknown> {
  const reading = await store.get(at);
  return reading instanceof Entry ? plainValues.present(reading.value) : undefined;
}

const rows = (count: number): object[] =>
  Array.from({ length: count }, (_, id) => ({ id, name: `name ${id}`, at: new Date(id), big: BigInt(id) }));

describe.each<CompressionOptions['algorithm']>(['gzip', 'brotli', ...(hasZstd ? (['zstd'] as const) : [])])(
  'a value compressed with %s',
  (algorithm) => {
    it.each([
      ['small enough to be inflated at once', 300],
      ['large', 3_000],
    ])('comes back type for type, with the option and without, when it is %s', async (_, count) => {
      const [writer, reader, at] = [await start({ algorithm }), await start(), query()];
      const value = {
        rows: rows(count),
        bytes: Buffer.alloc(100, 7),
        undefined,
        map: new Map([[1, new Set(['a'])]]),
      };
      await write(writer, at, value);
      const compressed = await redis.strlen(at.key);
      expect(await read(writer, at)).toEqual(value);
      expect(await read(reader, at)).toEqual(value);
      await write(reader, at, value);
      expect(compressed).toBeLessThan((await redis.strlen(at.key)) / 2);
    });

    it('ends with a purge, and may be kept in L1', async () => {
      const [l2, at] = [redisStore({ url, timeout: 2_000, compression: { algorithm } }), query()];
      const store = await ready(tieredStore({ l1: memoryStore(), l2, consistency: 'validate' }));
      await write(store, at, rows(1_000));
      for (let i = 0; i < 3; i++) expect(await read(store, at)).toEqual(rows(1_000));
      await store.bump(at.tags(), 'purge');
      expect(await read(store, at)).toBeUndefined();
    });

    it('is a miss where a part of it is missing, and not an error where a part is damaged', async () => {
      const [store, at] = [await start({ algorithm }), query()];
      await write(store, at, rows(1_000));
      const whole = (await redis.getBuffer(at.key))!;
      announce('damaged entries are no errors', 40);
      const random = randomNumbers(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      for (let i = 0; i < 40; i++) {
        await redis.set(at.key, whole.subarray(0, below(whole.length)));
        expect(await read(store, at)).toBeUndefined();
        const damaged = Buffer.from(whole);
        damaged[below(whole.length)]! ^= 1 + below(255);
        await redis.set(at.key, damaged);
        await store.get(at);
      }
    });
  },
);

describe('compression', () => {
  it('leaves values alone that are below the threshold, or that it would not make smaller', async () => {
    const store = await start({ algorithm: 'gzip', threshold: 10 * KIB });
    const [small, random] = [query(), query()];
    await write(store, small, 'x'.repeat(9 * KIB));
    expect((await redis.getBuffer(small.key))!.includes('x'.repeat(9 * KIB))).toBe(true);
    const noise = Buffer.from(Array.from({ length: 20 * KIB }, () => Math.floor(Math.random() * 256)));
    await write(store, random, noise);
    expect((await redis.getBuffer(random.key))!.includes(noise)).toBe(true);
    expect(await read(store, random)).toEqual(noise);
  });

  it.each([
    ['is encoded already', [['Content-Encoding', 'gzip']], true],
    ['is an image', [['content-type', 'image/png']], true],
    ['is a drawing in text', [['content-type', 'image/svg+xml']], false],
    [
      'is text',
      [
        ['content-type', 'text/html'],
        ['content-encoding', 'identity'],
      ],
      false,
    ],
  ] as const)('of a response whose body %s', async (_, headers, isKept) => {
    const [store, at] = [await start({ algorithm: 'brotli' }), query(responseValues)];
    const body = Buffer.from('<p>hello</p>'.repeat(1_000));
    const response = new StoredResponse({
      status: 200,
      headers: headers.map(([name, value]) => [name, value]),
      removed: [],
      vary: [],
      body,
    });
    await store.set(at, await entryOf(store, at, response, response.size));
    expect((await redis.getBuffer(at.key))!.includes(body)).toBe(isKept);
    const { value } = (await store.get(at)) as Entry;
    expect((value as StoredResponse).body.equals(body)).toBe(true);
    expect((value as StoredResponse).headers).toEqual(response.headers);
  });

  it('lets the later of two writes win, also where it takes less time', async () => {
    const [store, at] = [await start({ algorithm: 'gzip' }), query()];
    for (const later of ['small', rows(10)]) {
      const first = write(store, at, rows(10_000));
      await write(store, at, later);
      expect(await first).toBe(false);
      expect(await read(store, at)).toEqual(later);
    }
  });

  it('inflates a value no further than the size it claims, and not at all beyond the limit', async () => {
    const [store, at] = [await start(), query()];
    // A gigabyte of zeros: gzip takes many members for one file.
    const member = zlib.gzipSync(Buffer.alloc(MIB));
    const bomb = Buffer.concat(new Array<Buffer>(1_024).fill(member));
    const before = process.resourceUsage().maxRSS;
    for (const claim of [KIB, 40 * KIB, KIB * MIB, -1, 0.5, NaN, 'much']) {
      const value = new EncodedValue(1, { data: [1, claim], flags: 0, size: 1, bytes: bomb });
      await redis.set(at.key, encodeEntry(await entryOf(store, at, value, 1), at.values));
      expect(await read(store, at)).toBeUndefined();
    }
    expect((process.resourceUsage().maxRSS - before) / KIB).toBeLessThan(300);
  });

  it('by an unknown algorithm is a miss', async () => {
    const [store, at] = [await start(), query()];
    const value = new EncodedValue(99, { data: [1, 2], flags: 0, size: 1, bytes: Buffer.alloc(2) });
    await redis.set(at.key, encodeEntry(await entryOf(store, at, value, 1), at.values));
    expect(await read(store, at)).toBeUndefined();
  });

  it.each<[unknown, RegExp]>([
    [{ algorithm: 'lzma' }, /'gzip', 'brotli' or 'zstd'/],
    [{}, /'gzip', 'brotli' or 'zstd'/],
    [{ algorithm: 'gzip', threshold: -1 }, /threshold is -1\. Write a whole number of bytes/],
    ...(hasZstd
      ? []
      : [[{ algorithm: 'zstd' }, /needs Node 22\.15.*'brotli' or 'gzip'/] as [unknown, RegExp]]),
  ])('refuses %j when the application starts', (compression, message) => {
    expect(() => redisStore({ url, compression: compression as CompressionOptions })).toThrow(message);
  });
});
