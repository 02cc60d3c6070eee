// One process of the fleet: an application over its own store, told by its parent what to do.
import 'reflect-metadata';
import { setTimeout as delay } from 'node:timers/promises';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import {
  CacheService,
  CacheStatus,
  type CacheStore,
  type Clock,
  memoryStore,
  RestflowCacheModule,
  tieredStore,
} from '../../../lib/index.js';
import { redisStore } from '../../../lib/redis.js';
import { DATABASE, Library } from './library.js';
import { now, Schedule } from './schedule.js';

/** How a process keeps its entries. */
export type Consistency = 'redis' | 'bus' | 'validate';

/** What a process is told; each order is answered with `{ id, result }`. */
export type Order =
  | { readonly id: number; readonly schedule: { readonly operations: number; readonly seed: number } }
  | { readonly id: number; readonly reopen: true }
  | {
      readonly id: number;
      readonly popular: { readonly name: string; readonly ms: number; readonly calls: number };
    }
  | {
      readonly id: number;
      readonly refreshed: {
        readonly method: 'ahead' | 'revalidated';
        readonly name: string;
        readonly until: number;
      };
    };

const [redisUrl, databaseUrl, consistency, clockAhead = '0'] = process.argv.slice(2) as [
  string,
  string,
  Consistency,
  string?,
];

/** Clocks of processes are apart. */
const clock: Clock = {
  now: () => Date.now() + Number(clockAhead),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

function storeOf(): CacheStore {
  // Four processes and the test share what cores there are.
  const l2 = redisStore({ url: redisUrl, timeout: 1_000 });
  const store = consistency === 'redis' ? l2 : tieredStore({ l1: memoryStore(), l2, consistency });
  for (const name of ['get', 'stamp', 'judge'] as const) watch(store, name);
  return store;
}

/** Tells when the store did not answer: reads are on their own then. */
function watch<Name extends 'get' | 'stamp' | 'judge'>(store: CacheStore, name: Name): void {
  const ask = store[name].bind(store) as (asked: never) => unknown;
  store[name] = ((asked: never) => {
    const answer = ask(asked);
    if (answer instanceof Promise) answer.catch(() => process.send!({ cutOff: now() }));
    return answer;
  }) as CacheStore[Name];
}

const database = new Redis(databaseUrl);

class WorkerModule {}
Module({
  imports: [RestflowCacheModule.forRoot({ clock, store: storeOf() })],
  providers: [{ provide: DATABASE, useValue: database }, Library],
})(WorkerModule);

let application = await boot();
let library = application.get(Library);
let cache = application.get(CacheService);

function boot(): Promise<INestApplicationContext> {
  return NestFactory.createApplicationContext(WorkerModule, { logger: false });
}

/** Another application of the process begins to use the store that the last one closed. */
async function reopen(): Promise<void> {
  await application.close();
  application = await boot();
  library = application.get(Library);
  cache = application.get(CacheService);
}

async function carryOut(order: Order): Promise<unknown> {
  if ('schedule' in order) {
    const { operations, seed } = order.schedule;
    const schedule = new Schedule(library, cache, database, redisUrl, seed, (events) =>
      process.send!({ events }),
    );
    return schedule.run(operations);
  }
  if ('reopen' in order) return reopen();
  if ('refreshed' in order) return readUntil(order.refreshed);
  const { name, ms, calls } = order.popular;
  const values = await Promise.all(Array.from({ length: calls }, () => library.popular(name, ms)));
  return new Set(values).size;
}

/** Reads again and again until there is a value of some load; answers how often somebody had to wait for one. */
async function readUntil({
  method,
  name,
  until,
}: Extract<Order, { refreshed: object }>['refreshed']): Promise<number> {
  const cached = cache.for(Library, method);
  for (let misses = 0; ;) {
    const [loads, { cacheStatus }] = await cached.getWithMetadata(name);
    if (cacheStatus === CacheStatus.MISS) misses++;
    if (loads >= until) return misses;
    await delay(5);
  }
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (result) => process.send!({ id: order.id, result }),
    (error: unknown) => process.send!({ id: order.id, error: String((error as Error).stack ?? error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send!({ ready: true });
