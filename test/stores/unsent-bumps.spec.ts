import { describe, expect, it } from '@jest/globals';
import { GuardedStore } from '../../lib/stores/guarded-store.js';
import { MemoryStore } from '../../lib/stores/memory-store.js';
import {
  type CacheStore,
  Entry,
  type InvalidationMode,
  type StoreQuery,
  StoreUnavailableError,
} from '../../lib/stores/store.interface.js';
import { UnsentBumps } from '../../lib/stores/unsent-bumps.js';
import { Stamp } from '../../lib/stores/stamp.js';
import { ManualClock } from '../support/manual-clock.js';
import { Deferred, Gate, settled } from '../support/gate.js';

const coarser = (tag: string): string | undefined =>
  tag === 'all' ? undefined : tag.startsWith('m') ? 'all' : `m${tag.split(':')[0]}`;

describe('unsent bumps', () => {
  it('become coarser where there are too many, and cover no less', () => {
    const unsent = new UnsentBumps();
    for (let i = 0; i < 25_000; i++) {
      unsent.add([`${i % 3}:${i}`], 'expire');
      unsent.bound(coarser);
    }
    expect(unsent.size).toBeLessThanOrEqual(10_000);
    const covers = (tag: string): boolean => unsent.covers([tag, `m${tag.split(':')[0]}`, 'all']);
    expect(Array.from({ length: 25_000 }, (_, i) => covers(`${i % 3}:${i}`))).not.toContain(false);
    // What a coarser tag stands for may have been purged: all that it covers is.
    expect(unsent.take('purge').tags).toEqual(expect.arrayContaining(['m0', 'm1', 'm2']));
    expect(unsent.take('expire').tags.filter((tag) => !tag.includes(':'))).toEqual([]);
  });

  it('stay when they were added again while they were sent', () => {
    const unsent = new UnsentBumps();
    unsent.add(['a', 'b'], 'purge');
    const { tags, mark } = unsent.take('purge');
    unsent.add(['b'], 'expire');
    unsent.remove(tags, 'purge', mark);
    expect([unsent.covers(['a']), unsent.covers(['b'])]).toEqual([false, true]);
    expect([unsent.take('purge').tags, unsent.take('expire').tags]).toEqual([[], ['b']]);
  });
});

/** A store that can be switched off, and the bumps it got. */
function switchable(): {
  store: CacheStore;
  bumps: [readonly string[], InvalidationMode][];
  isUp: boolean;
  answered: () => Promise<void>;
} {
  const inner = new MemoryStore();
  const it = {
    store: inner as CacheStore,
    bumps: [] as [readonly string[], InvalidationMode][],
    isUp: true,
    /** Stands between what was read and its answer. */
    answered: () => Promise.resolve(),
  };
  it.store = Object.assign(Object.create(inner) as CacheStore, {
    get: async (query: StoreQuery) => {
      const reading = inner.get(query);
      await it.answered();
      return reading;
    },
    getMany: async (queries: readonly StoreQuery[]) => {
      const readings = inner.getMany(queries);
      await it.answered();
      return readings;
    },
    set: (query: StoreQuery, entry: Entry) => inner.set(query, entry),
    stamp: (tags: readonly string[]) => inner.stamp(tags),
    judge: (stamp: Stamp) => inner.judge(stamp),
    bump: async (tags: readonly string[], mode: InvalidationMode) => {
      if (!it.isUp) throw new StoreUnavailableError('away');
      it.bumps.push([tags, mode]);
      inner.bump(tags, mode);
    },
  });
  return it;
}

const QUERY: StoreQuery = { key: 'k', tags: () => ['1:a'], values: undefined as never };

describe('a guarded store', () => {
  const guarded = (): ReturnType<typeof switchable> & { guard: GuardedStore; clock: ManualClock } => {
    const inner = switchable();
    const clock = new ManualClock();
    const guard = new GuardedStore(inner.store, { timeout: 1_000 });
    guard.attach({ now: clock.now, after: (ms, run) => clock.after(ms, run), log: () => undefined, coarser });
    return Object.assign(inner, { guard, clock });
  };
  const stored = async (): Promise<ReturnType<typeof guarded>> => {
    const world = guarded();
    const now = world.clock.now();
    const stamp = await world.guard.stamp(QUERY.tags());
    await world.guard.set(QUERY, new Entry('old', now, now + 60_000, now + 60_000, stamp, 10));
    expect(await world.guard.get(QUERY)).toMatchObject({ value: 'old' });
    return world;
  };

  it('sends a bump again until the store has it, and judges no stamp current that it covers', async () => {
    const world = guarded();
    const stamp = await world.guard.stamp(['1:a']);
    world.isUp = false;
    await expect(world.guard.bump(['1:a'], 'expire')).rejects.toThrow('did not reach');
    expect(await world.guard.judge(stamp)).toBe('purged');
    world.isUp = true;
    world.clock.advance(300);
    await settled();
    expect(world.bumps).toEqual([[['1:a'], 'expire']]);
  });

  it('sends a purge again although an expire of the same arrived meanwhile', async () => {
    const world = await stored();
    world.isUp = false;
    await expect(world.guard.bump(['1:a'], 'purge')).rejects.toThrow('did not reach');
    world.isUp = true;
    await world.guard.bump(['1:a'], 'expire');
    expect(await world.guard.get(QUERY)).toBeInstanceOf(Stamp);
    world.clock.advance(300);
    await settled();
    expect(world.bumps).toEqual([
      [['1:a'], 'expire'],
      [['1:a'], 'purge'],
    ]);
    expect(await world.guard.get(QUERY)).toBeInstanceOf(Stamp);
  });

  it.each([
    ['purge', 'expire'],
    ['expire', 'purge'],
  ] as const)(
    'serves a value again after concurrent bumps of both modes, if the %s arrives first',
    async (...order) => {
      const world = await stored();
      const sent = { purge: new Deferred(), expire: new Deferred() };
      const { bump } = world.store;
      world.store.bump = async (tags, mode) => {
        await sent[mode].promise;
        await bump(tags, mode);
      };
      const bumps = [world.guard.bump(['1:a'], 'purge'), world.guard.bump(['1:a'], 'expire')];
      expect(await world.guard.get(QUERY)).toBeInstanceOf(Stamp);
      for (const mode of order) {
        sent[mode].resolve();
        await settled();
      }
      await Promise.all(bumps);
      expect(await world.guard.judge(await world.guard.stamp(['1:a']))).toBe('current');
    },
  );

  it.each<[string, (world: ReturnType<typeof guarded>) => unknown]>([
    ['again', ({ clock }) => clock.advance(300)],
    ['by another', ({ guard }) => guard.bump(['1:a'], 'purge')],
  ])('answers no read with what a bump covers that it got meanwhile, sent %s', async (_, send) => {
    const world = await stored();
    world.isUp = false;
    await expect(world.guard.bump(['1:a'], 'purge')).rejects.toThrow('did not reach');
    const gate = new Gate();
    world.answered = () => gate.pass();
    const readings = [
      world.guard.get(QUERY),
      Promise.resolve(world.guard.getMany!([QUERY])).then(([one]) => one),
    ];
    await gate.reached(2);
    world.isUp = true;
    await send(world);
    await settled();
    expect(world.bumps).toHaveLength(1);
    gate.open();
    for (const reading of await Promise.all(readings)) expect(reading).toBeInstanceOf(Stamp);
  });

  it('sends coarser bumps too, which replaced those of callers', async () => {
    const world = guarded();
    const many = Array.from({ length: 10_001 }, (_, i) => `${i % 3}:${i}`);
    world.isUp = false;
    await expect(world.guard.bump(many, 'purge')).rejects.toThrow('did not reach');
    world.isUp = true;
    const stamp = await world.guard.stamp(['m0']);
    expect(await world.guard.judge(stamp)).toBe('purged');
    world.bumps.length = 0;
    world.clock.advance(300);
    await settled();
    expect(world.bumps.map(([tags]) => tags)).toEqual([['m0', 'm1', 'm2']]);
    expect(await world.guard.judge(await world.guard.stamp(['m0']))).toBe('current');
  });

  it('sends many tags in parts, so that a slow store accepts them in the end', async () => {
    const world = guarded();
    const { bump } = world.store;
    // It takes a thousand within the timeout.
    world.store.bump = (tags, mode) =>
      tags.length > 1_000 ? new Promise(() => undefined) : bump(tags, mode);
    const tags = Array.from({ length: 9_000 }, (_, i) => `1:${i}`);
    const stamp = await world.guard.stamp([tags[8_999]!]);
    world.isUp = false;
    await expect(world.guard.bump(tags, 'purge')).rejects.toThrow('did not reach');
    expect(await world.guard.judge(stamp)).toBe('purged');
    world.isUp = true;
    world.clock.advance(300);
    await settled();
    expect(world.bumps.flatMap(([part]) => part)).toEqual(tags);
    expect(await world.guard.judge(await world.guard.stamp(tags.slice(0, 9)))).toBe('current');
    world.bumps.length = 0;
    await world.guard.bump(tags, 'expire');
    expect(world.bumps.flatMap(([part]) => part)).toEqual(tags);
  });

  it('makes no bump coarser while the store accepts them, however many there are', async () => {
    const world = guarded();
    const tags = Array.from({ length: 25_000 }, (_, i) => `1:${i}`);
    const stamp = await world.guard.stamp(['m1', '1:other']);
    await world.guard.bump(tags, 'purge');
    expect(world.bumps.flatMap(([part]) => part)).toEqual(tags);
    expect(await world.guard.judge(stamp)).toBe('current');
    world.clock.advance(300);
    await settled();
    expect(world.bumps).toHaveLength(50);
  });

  it('probes a failed store with one call after a second; other calls fail until it is answered', async () => {
    const world = guarded();
    let asked = 0;
    let answer = (): Promise<Stamp> => Promise.reject(new StoreUnavailableError('away'));
    world.store.stamp = () => {
      asked++;
      return answer();
    };
    const ask = (): Promise<string> =>
      world.guard.stamp(['a']).then(
        () => 'answered',
        (error: Error) => error.message,
      );
    const refused = 'The memory store does not answer';
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('away');
    expect([await ask(), asked, world.guard.isAvailable]).toEqual([refused, 3, false]);
    world.clock.advance(999);
    expect([await ask(), asked]).toEqual([refused, 3]);
    world.clock.advance(1);
    const back = new Deferred<Stamp>();
    answer = () => back.promise;
    const probe = ask();
    expect([await ask(), asked]).toEqual([refused, 4]);
    back.resolve(new Stamp('', [], []));
    expect([await probe, await ask(), asked]).toEqual(['answered', 'answered', 5]);
  });

  it('sends unsent bumps once more when it is closed', async () => {
    const world = guarded();
    world.isUp = false;
    await expect(world.guard.bump(['1:a'], 'purge')).rejects.toThrow('did not reach');
    world.isUp = true;
    await world.guard.close();
    expect(world.bumps).toEqual([[['1:a'], 'purge']]);
  });
});
