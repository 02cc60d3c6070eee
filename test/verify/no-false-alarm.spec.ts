import { afterEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { type Bus, type CacheStore, memoryStore, tieredStore, type VerifyMetrics } from '../../lib/index.js';
import { KeySpace } from '../../lib/cache/key-space.js';
import { pause } from '../../lib/common/async.js';
import { systemClock } from '../../lib/common/time.js';
import type { TestApplication } from '../support/application.js';
import { announce, isSoak, randomNumbers, seed } from '../support/randomised.js';
import { SharedMemory } from '../support/shared-memory.js';
import { Author, Book, Books, metricsOf, startShop, writePast } from './support/shop.js';

const IDS = 2;

/** A shared store on which another process invalidates some milliseconds after its COMMIT, and tells this one some more later. */
class FleetStore extends SharedMemory {
  #tell: Parameters<Bus['listen']>[0] = () => undefined;

  openBus(): Bus {
    return {
      isTrusted: () => true,
      listen: (onBump) => (this.#tell = onBump),
      attach: () => undefined,
      close: async () => undefined,
    };
  }

  async bumpElsewhere(most: number, random: () => number): Promise<void> {
    await pause(systemClock, random() * most);
    void this.bump([ALL], 'purge');
    await pause(systemClock, random() * 20);
    this.#tell([ALL], 'purge');
  }
}

const ALL = new KeySpace('restflow', '', undefined).allTag;

interface Fleet {
  readonly store: CacheStore;
  readonly shared?: FleetStore;
}

function shared(): Fleet {
  const store = new FleetStore();
  return { store, shared: store };
}

function tiers(): Fleet {
  const { store: l2, shared: store } = shared();
  return { store: tieredStore({ l1: memoryStore(), l2 }), shared: store! };
}

const fleets: readonly (readonly [string, () => Fleet])[] = [
  ['memory', () => ({ store: memoryStore() })],
  ['a shared store', shared],
  ['tiers', tiers],
];

let app: TestApplication;
afterEach(() => app.close());

type Method = 'covered' | 'slow' | 'forgetful';

/** Reads and writes at random until so many hits were judged. */
async function race(
  { store, shared }: Fleet,
  settle: `${number}ms`,
  judged: number,
  methods: readonly Method[],
  kinds = [0, 1, 2, 3, 4],
): Promise<VerifyMetrics> {
  app = await startShop({
    clock: systemClock,
    store,
    verify: { sample: 1, budget: 1e9, maxInFlight: 40, settle, drop: false },
  });
  const random = randomNumbers(seed);
  const books = app.get(Books);
  const dataSource = app.get(DataSource);
  let isOver = false;
  const enough = ({ outcomes }: VerifyMetrics): boolean =>
    outcomes.match + outcomes.stale + outcomes.superseded >= judged;
  const deadline = Date.now() + 800_000;
  const reader = async (): Promise<void> => {
    while (!isOver) {
      const method = methods[Math.floor(random() * methods.length)]!;
      await books[method](1 + Math.floor(random() * IDS));
      await pause(systemClock, random() * 2);
      isOver ||= enough(metricsOf(app.cache)) || Date.now() > deadline;
    }
  };
  const write = async (): Promise<void> => {
    const id = 1 + Math.floor(random() * IDS);
    const name = `name ${random()}`;
    const kind = kinds[Math.floor(random() * kinds.length)]!;
    if (kind === 4 && shared !== undefined) {
      writePast(dataSource, `UPDATE "author" SET "name" = '${name}' WHERE "id" = ${id}`);
      await shared.bumpElsewhere(60, random);
    }
    if (kind === 0) await dataSource.getRepository(Author).save({ id, name });
    if (kind === 1) await dataSource.getRepository(Author).update(id, { name });
    if (kind === 2) await dataSource.query(`UPDATE "book" SET "title" = '${name}' WHERE "id" = ${id}`);
    if (kind === 3)
      await dataSource.transaction(async (manager) => {
        await manager.update(Book, id, { title: name });
        await pause(systemClock, random() * 3);
        if (random() < 0.2) throw new Error('rolled back');
      });
  };
  const writer = async (): Promise<void> => {
    while (!isOver) {
      await write().catch(() => undefined);
      await pause(systemClock, random() * 60);
    }
  };
  await Promise.all([...Array.from({ length: 8 }, reader), writer()]);
  return metricsOf(app.cache);
}

describe('verification under concurrent writes', () => {
  it.each(fleets)(
    'raises no false alarm on %s',
    async (name, make) => {
      const judged = isSoak ? 34_000 : 340;
      const { outcomes } = await race(make(), '150ms', judged, ['covered', 'slow']);
      announce(`no false alarm on ${name}: ${JSON.stringify(outcomes)}`, judged);
      expect(outcomes.stale).toBe(0);
      expect(outcomes.failed).toBe(0);
      expect(outcomes.match).toBeGreaterThan(judged / 4);
    },
    900_000,
  );

  it('finds a table without a rule among the same writes', async () => {
    const { causes } = await race(tiers(), '20ms', 300, ['covered', 'forgetful'], [0, 1]);
    expect(causes.uncovered).toBeGreaterThan(0);
    expect(Object.keys(causes)).toEqual(['uncovered']);
  });

  it('would raise false alarms if it did not wait for invalidations to settle', async () => {
    const { outcomes } = await race(shared(), '0ms', 300, ['covered'], [4]);
    expect(outcomes.stale).toBeGreaterThan(0);
  });
});
