import { Injectable } from '@nestjs/common';
import {
  ArgsKeyField,
  CACHE_MISSING,
  CacheResult,
  type CachedMethod,
  KeyConstructor,
  memoryStore,
} from '../../../lib/index.js';
import { TestApplication } from '../../support/application.js';
import { Deferred } from '../../support/gate.js';

const IDS = 24;
const GROUPS = 4;
const TAGS = 3;

class GroupKey extends KeyConstructor {
  id = new ArgsKeyField('id');
  group = new ArgsKeyField('id', { partition: true, normalizer: (id: number) => id % GROUPS });
}

type Level = 'key' | 'partition' | 'method' | 'tag' | 'all';
const LEVELS: readonly Level[] = [
  'key',
  'key',
  'key',
  'key',
  'partition',
  'partition',
  'tag',
  'method',
  'all',
];

/** The data of one method: what is true now, and the oldest that may still be served. */
class Table {
  readonly now = new Array<number>(IDS).fill(0);
  readonly floor = new Array<number>(IDS).fill(0);

  covered(level: Level, id: number): number[] {
    const all = [...this.now.keys()];
    if (level === 'key') return [id];
    if (level === 'partition') return all.filter((one) => one % GROUPS === id % GROUPS);
    return level === 'tag' ? all.filter((one) => one % TAGS === id % TAGS) : all;
  }
}

/** What an outer value was made from: rows of the inner table, and one of its own. */
interface Outer {
  readonly own: number;
  readonly parts: readonly (readonly [id: number, version: number])[];
}

const world = {
  inner: new Table(),
  outer: new Table(),
  random: (): number => 0,
  /** Holds a load open, or lets it fail. */
  load: async (): Promise<void> => undefined,
};

@Injectable()
class Methods {
  @CacheResult({
    ttl: 40,
    staleWhileRevalidate: 20,
    staleIfError: 20,
    keyConstructor: GroupKey,
    tags: (id: number) => [`inner ${id % TAGS}`],
  })
  async inner(id: number): Promise<number> {
    // The worst a load can do: read first, and be slow then.
    const version = world.inner.now[id]!;
    await world.load();
    return version;
  }

  @CacheResult({ ttl: 90, keyConstructor: GroupKey, tags: (id: number) => [`outer ${id % TAGS}`] })
  async outer(id: number): Promise<Outer> {
    const own = world.outer.now[id]!;
    const ids = [id, (id * 7 + 1) % IDS];
    const inParallel = world.random() < 0.5;
    const parts: [number, number][] = [];
    const read = async (one: number): Promise<void> => {
      parts.push([one, await this.inner(one).catch(() => this.inner(one))]);
    };
    if (inParallel) await Promise.all(ids.map(read));
    else for (const one of ids) await read(one);
    await world.load();
    return { own, parts };
  }
}

/** Runs a random schedule against the cache and holds every answer to the model. */
export class Model {
  readonly counts = { reads: 0, hits: 0, stale: 0, failed: 0, bumps: 0, loads: 0 };
  readonly violations: string[] = [];
  readonly #open: Deferred[] = [];
  readonly #reads = new Set<Promise<void>>();
  readonly #inner: CachedMethod<[number], number>;
  readonly #outer: CachedMethod<[number], Outer>;

  private constructor(
    readonly application: TestApplication,
    private readonly random: () => number,
  ) {
    this.#inner = application.cache.for(Methods, 'inner');
    this.#outer = application.cache.for(Methods, 'outer');
    world.inner = new Table();
    world.outer = new Table();
    world.random = random;
    world.load = () => this.#load();
  }

  static async start(random: () => number): Promise<Model> {
    const application = await TestApplication.start([Methods], {
      // Smaller than what is read, so that entries are dropped for others.
      store: memoryStore({ maxEntries: 36 }),
    });
    return new Model(application, random);
  }

  async run(operations: number): Promise<void> {
    for (let i = 0; i < operations; i++) {
      await this.#step();
      if (this.random() < 0.5) this.#open.splice(this.#pick(this.#open.length), 1)[0]?.resolve();
      if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    world.load = async () => undefined;
    for (const load of this.#open) load.resolve();
    await Promise.all(this.#reads);
  }

  async #step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.86) return this.#read();
    if (dice < 0.93) return this.#write();
    this.application.clock.advance(this.random() * 8_000);
  }

  async #load(): Promise<void> {
    this.counts.loads++;
    const dice = this.random();
    if (dice < 0.05) throw new Error('the load failed');
    if (dice < 0.6) return;
    const load = new Deferred();
    this.#open.push(load);
    await load.promise;
  }

  async #write(): Promise<void> {
    const isInner = this.random() < 0.6;
    const table = isInner ? world.inner : world.outer;
    const method = isInner ? this.#inner : this.#outer;
    const level = LEVELS[this.#pick(LEVELS.length)]!;
    const id = this.#pick(IDS);
    const mode = level === 'tag' && this.random() < 0.4 ? 'expire' : 'purge';
    for (const one of table.covered(level, id)) if (one === id || this.random() < 0.5) table.now[one]!++;
    this.counts.bumps++;
    const { cache } = this.application;
    if (level === 'key') await method.deleteCache(id);
    else if (level === 'partition') await method.deleteByPrefix({ group: id % GROUPS });
    else if (level === 'method') await method.invalidateAll();
    else if (level === 'tag')
      await cache.invalidateTags([`${isInner ? 'inner' : 'outer'} ${id % TAGS}`], { mode });
    else await cache.clear();
    if (mode === 'expire') return;
    const acknowledged = level === 'all' ? [world.inner, world.outer] : [table];
    for (const one of acknowledged) for (const row of one.covered(level, id)) one.floor[row] = one.now[row]!;
  }

  #read(): void {
    // Some are read far more often than others.
    const id = Math.floor(IDS * this.random() ** 2.5);
    const reading = this.random() < 0.6 ? this.#readInner(id) : this.#readOuter(id);
    this.#reads.add(reading);
    void reading.finally(() => this.#reads.delete(reading));
  }

  async #readInner(id: number): Promise<void> {
    const floor = world.inner.floor[id]!;
    const value = await this.#ask(this.#inner, id);
    if (value !== undefined && value < floor)
      this.#violated(`inner ${id}: ${value} after a purge at ${floor}`);
  }

  async #readOuter(id: number): Promise<void> {
    const own = world.outer.floor[id]!;
    const floors = [...world.inner.floor];
    const value = await this.#ask(this.#outer, id);
    if (value === undefined) return;
    if (value.own < own) this.#violated(`outer ${id}: ${value.own} after a purge at ${own}`);
    for (const [part, version] of value.parts) {
      if (version < floors[part]!)
        this.#violated(`outer ${id} holds inner ${part}: ${version} after a purge at ${floors[part]}`);
    }
  }

  async #ask<T>(method: CachedMethod<[number], T>, id: number): Promise<T | undefined> {
    const dice = this.random();
    try {
      if (dice < 0.02) return await method.refresh(id);
      if (dice < 0.03) return await method.bypassCache(id);
      if (dice < 0.05) {
        const value = await method.getCacheOnly(id);
        return value === CACHE_MISSING ? undefined : value;
      }
      this.counts.reads++;
      const [value, { cacheStatus }] = await method.getWithMetadata(id);
      if (cacheStatus === 'HIT') this.counts.hits++;
      if (cacheStatus === 'STALE') this.counts.stale++;
      return value;
    } catch (error) {
      if ((error as Error).message !== 'the load failed') throw error;
      this.counts.failed++;
      return undefined;
    }
  }

  #violated(what: string): void {
    this.violations.push(what);
  }

  #pick(count: number): number {
    return Math.floor(count * this.random());
  }
}
