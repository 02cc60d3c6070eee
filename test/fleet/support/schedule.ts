import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { CacheStatus, type CacheService } from '../../../lib/index.js';
import { seededRandom } from '../../../lib/testing.js';
import { bookAt, ByBook, type Copy, Library, PLACES, SHELVES } from './library.js';

/** What happened, on the clock that all processes of a machine share (milliseconds). */
export type Event =
  | {
      readonly kind: 'read';
      readonly what: string;
      readonly began: number;
      readonly copies: readonly Copy[];
      readonly hit: boolean;
    }
  | {
      readonly kind: 'write';
      readonly book: string;
      readonly version: number;
      readonly acknowledged: number;
      /** Whether the store has it: then all processes must know. */
      readonly reached: boolean;
      readonly mode: 'purge' | 'expire';
      /** The level of the invalidation. */
      readonly level: string;
    }
  | { readonly kind: 'failure'; readonly error: string };

/** Milliseconds, on the clock that all processes of a machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const WIDTH = 12;
const BATCH = 100;

/** A random schedule of one process: reads of every kind, writes with an invalidation at some level, evictions. */
export class Schedule {
  readonly #random: () => number;
  readonly #redis: Redis;
  #events: Event[] = [];

  constructor(
    private readonly library: Library,
    private readonly cache: CacheService,
    private readonly database: Redis,
    redisUrl: string,
    seed: number,
    private readonly report: (events: readonly Event[]) => void,
  ) {
    this.#random = seededRandom(seed);
    this.#redis = new Redis(redisUrl, { maxRetriesPerRequest: 0, enableOfflineQueue: false });
    this.#redis.on('error', () => undefined);
  }

  async run(operations: number): Promise<void> {
    let left = operations;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        await this.#operate().catch((error: unknown) =>
          this.#note({ kind: 'failure', error: String(error) }),
        );
        if (this.#random() < 0.3) await delay(this.#random() * 8);
      }
    };
    await Promise.all(Array.from({ length: WIDTH }, lane));
    this.report(this.#events);
    this.#redis.disconnect();
  }

  #note(event: Event): void {
    this.#events.push(event);
    if (this.#events.length < BATCH) return;
    this.report(this.#events);
    this.#events = [];
  }

  #operate(): Promise<void> {
    const dice = this.#random();
    const [shelf, place] = [this.#below(SHELVES), this.#below(PLACES)];
    if (dice < 0.04) return this.#write(shelf, place);
    if (dice < 0.045) return this.#evict();
    if (dice < 0.45) return this.#read('book', shelf, place);
    if (dice < 0.6) return this.#read('shared', shelf, place);
    if (dice < 0.75) return this.#read('stale', shelf, place);
    if (dice < 0.85) return this.#read('shelf', shelf);
    if (dice < 0.9) return this.#read('all');
    return this.#readByHand(shelf, place);
  }

  async #read(what: 'book' | 'shared' | 'stale' | 'shelf' | 'all', ...args: number[]): Promise<void> {
    const method = this.cache.for(Library, what) as unknown as {
      getWithMetadata(...args: number[]): Promise<[readonly Copy[], { cacheStatus: CacheStatus }]>;
    };
    const began = now();
    const [copies, { cacheStatus }] = await method.getWithMetadata(...args);
    const hit = cacheStatus === CacheStatus.HIT || cacheStatus === CacheStatus.STALE;
    this.#note({ kind: 'read', what, began, copies, hit });
  }

  async #readByHand(shelf: number, place: number): Promise<void> {
    const began = now();
    let hit = true;
    const load = async (): Promise<readonly Copy[]> => {
      hit = false;
      return [...(await this.library.book(shelf, place)), ...(await this.library.shared(shelf, place))];
    };
    const copies = await this.cache.getOrSet(`by hand ${shelf}/${place}`, load, { ttl: '5s' });
    this.#note({ kind: 'read', what: 'getOrSet', began, copies, hit });
  }

  async #write(shelf: number, place: number): Promise<void> {
    const book = bookAt(shelf, place);
    const version = await this.database.incr(book);
    const [level, mode, bump] = this.#bumpOf(shelf, place);
    const reached = (await bump()).every((delivery) => delivery === 'delivered');
    this.#note({ kind: 'write', book, version, acknowledged: now(), reached, mode, level });
  }

  /** An invalidation at some level that covers a book wherever it is cached. */
  #bumpOf(
    shelf: number,
    place: number,
  ): [level: string, 'purge' | 'expire', () => Promise<readonly string[]>] {
    const { cache } = this;
    const methods = (['book', 'shared', 'stale'] as const).map((name) => cache.for(Library, name));
    const each =
      (bump: (method: (typeof methods)[number]) => Promise<string>): (() => Promise<string[]>) =>
      () =>
        Promise.all(methods.map(bump));
    const dice = this.#random();
    if (dice < 0.2) return ['key', 'purge', each((method) => method.deleteCache(shelf, place))];
    if (dice < 0.4) return ['partition', 'purge', each((method) => method.deletePartition({ shelf, place }))];
    if (dice < 0.5) return ['shelf', 'purge', each((method) => method.deletePartition({ shelf }))];
    if (dice < 0.6) return ['place', 'purge', each((method) => method.deletePartition({ place }))];
    if (dice < 0.8) {
      const mode = this.#random() < 0.5 ? 'purge' : 'expire';
      return ['tag', mode, () => only(cache.invalidateTags([`shelf ${shelf}`], { mode }))];
    }
    if (dice < 0.9) return ['wiped partition', 'purge', () => only(cache.wipe(ByBook, { shelf, place }))];
    if (dice < 0.96) return ['method', 'purge', each((method) => method.invalidateAll())];
    if (dice < 0.98) return ['wiped methods', 'purge', () => only(cache.wipe(ByBook))];
    return ['all', 'purge', () => only(cache.clear())];
  }

  /** Any key may be evicted at any time, generations too. */
  async #evict(): Promise<void> {
    const key = await this.#redis.randomkey().catch(() => null);
    if (key !== null) await this.#redis.unlink(key).catch(() => 0);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

async function only(delivery: Promise<string>): Promise<string[]> {
  return [await delivery];
}
