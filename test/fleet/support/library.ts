import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { ArgsKeyField, CacheResult, KeyConstructor } from '../../../lib/index.js';

export const DATABASE = Symbol('DATABASE');

/** A book and how often it was written, as a load saw it. */
export type Copy = readonly [book: string, version: number];

export class ByBook extends KeyConstructor {
  static readonly meta = { namespace: 'books' };
  shelf = new ArgsKeyField('shelf', { partition: true });
  place = new ArgsKeyField('place', { partition: true });
}

export class ByShelf extends KeyConstructor {
  shelf = new ArgsKeyField('shelf', { partition: true });
}

export const SHELVES = 4;
export const PLACES = 4;

export const bookAt = (shelf: number, place: number): string => `book:${shelf}:${place}`;

/** Cached methods of every kind over a database, which is another Redis. */
@Injectable()
export class Library {
  constructor(@Inject(DATABASE) private readonly database: Redis) {}

  @CacheResult({ ttl: 60, keyConstructor: ByBook, tags: (shelf: number) => [`shelf ${shelf}`] })
  book(shelf: number, place: number): Promise<readonly Copy[]> {
    return this.#load(shelf, place);
  }

  @CacheResult({
    ttl: '300ms',
    jitter: 0.3,
    keyConstructor: ByBook,
    lock: 'distributed',
    tags: (shelf: number) => [`shelf ${shelf}`],
  })
  shared(shelf: number, place: number): Promise<readonly Copy[]> {
    return this.#load(shelf, place);
  }

  /** May be stale after an expire or its lifetime, never after a purge. */
  @CacheResult({
    ttl: '400ms',
    staleWhileRevalidate: '5s',
    refreshAhead: 0.7,
    keyConstructor: ByBook,
    tags: (shelf: number) => [`shelf ${shelf}`],
  })
  stale(shelf: number, place: number): Promise<readonly Copy[]> {
    return this.#load(shelf, place);
  }

  /** Made from cached calls. */
  @CacheResult({ ttl: 60, keyConstructor: ByShelf })
  async shelf(shelf: number): Promise<readonly Copy[]> {
    const copies: Copy[] = [];
    for (let place = 0; place < PLACES; place++) {
      const method = place % 2 === 0 ? this.book(shelf, place) : this.shared(shelf, place);
      copies.push(...(await method));
    }
    return copies;
  }

  /** Made from cached calls that are made from cached calls. */
  @CacheResult({ ttl: 60, isolation: 'freeze' })
  async all(): Promise<readonly Copy[]> {
    const shelves = await Promise.all(Array.from({ length: SHELVES }, (_, shelf) => this.shelf(shelf)));
    return shelves.flat();
  }

  /** One that many ask for at once; how often it was loaded is counted. */
  @CacheResult({ ttl: 60, lock: 'distributed' })
  async popular(name: string, ms: number): Promise<string> {
    await this.database.incr(`loads:${name}`);
    await delay(ms);
    return name;
  }

  /**
   * One that is due for a refresh soon after it was loaded for the first time, and not again for long; how often it was
   * loaded is counted, and is what it returns.
   */
  @CacheResult({
    ttl: (loads: number) => (loads === 1 ? '20s' : '10h'),
    refreshAhead: 0.05,
    lock: 'distributed',
  })
  ahead(name: string): Promise<number> {
    return this.#count(name);
  }

  /** The same, for one that is past its lifetime. */
  @CacheResult({
    ttl: (loads: number) => (loads === 1 ? '1s' : '10h'),
    staleWhileRevalidate: '1h',
    lock: 'distributed',
  })
  revalidated(name: string): Promise<number> {
    return this.#count(name);
  }

  async #count(name: string): Promise<number> {
    const loads = await this.database.incr(`loads:${name}`);
    await delay(100);
    return loads;
  }

  /** The database is read somewhere in between, so that writes come before and after. */
  async #load(shelf: number, place: number): Promise<readonly Copy[]> {
    const book = bookAt(shelf, place);
    await delay(Math.random() * 4);
    const version = Number((await this.database.get(book)) ?? 0);
    await delay(Math.random() < 0.1 ? 40 : Math.random() * 6);
    return [[book, version]];
  }
}
