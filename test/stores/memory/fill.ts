// A process that fills a memory store, and prints for each kind of value what the store reports and what the heap grew by:
// `node --expose-gc --import …/typescript.mjs fill.ts`.
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import {
  ArgsKeyField,
  CacheResult,
  CacheService,
  memoryStore,
  RestflowCacheModule,
} from '../../../lib/index.js';

/** One fill, measured. */
export interface Fill {
  readonly name: string;
  readonly entries: number;
  readonly reported: number;
  readonly grown: number;
}

const MIB = 1024 * 1024;

@Injectable()
class Values {
  make: (id: number) => unknown = () => undefined;

  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    isolation: 'clone',
    maxValueBytes: 64 * MIB,
  })
  async partitioned(id: number): Promise<unknown> {
    return this.make(id);
  }

  @CacheResult({ maxValueBytes: 64 * MIB })
  async plain(id: number): Promise<unknown> {
    return this.make(id);
  }
}

const text = (bytes: number) => (id: number) => `${id} `.padEnd(bytes, 'abcdefghij');
const page = (id: number): string => Buffer.alloc(MIB, `page ${id} `).toString('latin1');

/** Makes one value of a kind and a size. */
const KINDS: Readonly<Record<string, (bytes: number) => (id: number) => unknown>> = {
  text,
  'wide text': (bytes) => (id) => `${id} `.padEnd(bytes / 2, '€'),
  bytes: (bytes) => (id) => Buffer.from(text(bytes)(id)),
  record: (bytes) => (id) => ({ id, name: text(bytes)(id), price: id * 1.1, active: true }),
  rows: (bytes) => (id) =>
    Array.from({ length: Math.max(1, bytes / 100) }, (_, i) => ({
      id: i,
      name: `row ${i} of ${id}`,
      price: i * 1.1,
      tags: ['a', 'b'],
    })),
  numbers: (bytes) => (id) => Array.from({ length: Math.max(1, bytes / 8) }, (_, i) => i * 1.5 + id),
  map: (bytes) => (id) =>
    new Map(Array.from({ length: Math.max(1, bytes / 80) }, (_, i) => [`key ${i} of ${id}`, i])),
  dates: (bytes) => (id) => Array.from({ length: Math.max(1, bytes / 120) }, (_, i) => new Date(id + i)),
};
const SIZES = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

/** What the values of a kind and size are made of, and how many of them. */
function* cases(): Generator<
  [name: string, entries: number, make: (id: number) => unknown, by: 'plain' | 'partitioned' | 'hand']
> {
  for (const [kind, of] of Object.entries(KINDS))
    for (const size of SIZES)
      yield [
        `${kind} of ${size} bytes`,
        Math.max(8, Math.min(20_000, Math.round((12 * MIB) / (size + 600)))),
        of(size),
        size === 100 ? 'partitioned' : size === 1_000 ? 'hand' : 'plain',
      ];
  yield ['texts cut from pages of 1 MiB', 1_000, (id) => page(id).slice(1_000, 1_050), 'plain'];
  yield [
    'records cut from pages of 1 MiB',
    1_000,
    (id) => ({ title: page(id).slice(1_000, 1_050) }),
    'plain',
  ];
  yield [
    'small bytes of a pool',
    10_000,
    (id) => (Buffer.from('x'.repeat(3_000)), Buffer.from(`bytes ${id}`)),
    'plain',
  ];
  yield ['200,000 small entries', 200_000, (id) => ({ id }), 'partitioned'];
}

function heap(): number {
  for (let round = 0; round < 3; round++) (globalThis as unknown as { gc: () => void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measure(
  name: string,
  entries: number,
  make: (id: number) => unknown,
  by: string,
): Promise<Fill> {
  const store = memoryStore({ maxBytes: 1024 * MIB, maxEntries: 200_000 });
  @Module({ imports: [RestflowCacheModule.forRoot({ store })], providers: [Values] })
  class Application {}
  const app = await NestFactory.createApplicationContext(Application, { logger: false });
  const values = app.get(Values);
  const cache = app.get(CacheService);
  values.make = make;
  const fill = async (from: number, count: number): Promise<void> => {
    for (let id = from; id < from + count; id++) {
      if (by === 'hand')
        await cache.getOrSet(`value:${id}`, () => make(id), { ttl: '1h', maxValueBytes: 64 * MIB });
      else await values[by as 'plain'](id);
    }
  };
  // Code is compiled, and tables are made, by the first ones.
  await fill(1_000_000, 50);
  await new Promise((resolve) => setTimeout(resolve, 150));
  const [size, before] = [store.state!().bytes!, heap()];
  await fill(1, entries);
  await new Promise((resolve) => setTimeout(resolve, 150));
  const fill_ = { name, entries, reported: store.state!().bytes! - size, grown: heap() - before };
  await app.close();
  return fill_;
}

const wanted = new RegExp(process.argv[2] ?? '');
const fills: Fill[] = [];
for (const [name, ...rest] of cases()) if (wanted.test(name)) fills.push(await measure(name, ...rest));
console.log(JSON.stringify(fills));
