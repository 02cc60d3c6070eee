import { describe, expect, it } from '@jest/globals';
import {
  invalidates,
  type DispatchContext,
  type Dispatcher,
  type InvalidationJob,
  type Invalidator,
} from '../../lib/index.js';
import { Deferred, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';
import { inserted, updated, User } from './support/changes.js';
import { RAISING, raising } from './support/raising.js';
import { World, type WorldOptions } from './support/world.js';

const USER = { fieldMapping: { user: 'id' } } as const;
const USER_1 = ['1-1', '1-2', '1-'];
const ALL = ['1-1', '1-2', '1-', '2-1', '2-2', '2-', '-1', '-2', '-'];

/** Remembers what it is given, and does it when it is told to. */
class Recording implements Dispatcher {
  readonly batches: { jobs: readonly InvalidationJob[]; config: unknown }[] = [];
  #work: (() => void | Promise<void>)[] = [];
  constructor(private readonly failure?: Error) {}

  dispatch(jobs: readonly InvalidationJob[], { config, handle }: DispatchContext): void {
    this.batches.push({ jobs, config });
    this.#work.push(...jobs.map((job) => () => handle(job)));
    if (this.failure !== undefined) throw this.failure;
  }

  async work(): Promise<void> {
    for (const one of this.#work.splice(0)) await one();
  }
}

const asking = (invalidator: Invalidator, ...others: unknown[]): World =>
  new World([invalidates(User, { invalidator }), ...others]);

describe('a custom invalidator', () => {
  it('drops the tags that it names, sync and async, and gets the change', async () => {
    const seen: unknown[] = [];
    const sync = asking((cached, change) => {
      seen.push(cached.name, change.type, change.id, change.before, change.after, change.entity);
      cached.deleteByPrefix({ user: change.after!['id'] });
    });
    expect(await sync.dropped(updated({ id: 2 }, { id: 1 }))).toEqual(USER_1);
    expect(seen).toEqual(['Users.find', 'update', 1, { id: 2 }, { id: 1 }, User]);
    const async = asking(async (cached) => {
      await settled();
      cached.deleteByPrefix({ user: 1 });
    });
    expect(await async.dropped(inserted({ id: 9 }))).toEqual(USER_1);
  });

  it('drops nothing where it names nothing', async () => {
    expect(await asking(() => undefined).dropped(inserted({ id: 1 }))).toEqual([]);
  });

  it.each<[string, Invalidator]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('broken'))],
    ['names an unknown field', (cached) => cached.deleteByPrefix({ nobody: 1 })],
  ])('that %s drops everything, and the write goes on', async (_, invalidator) => {
    const world = asking(invalidator);
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(ALL);
    expect(world.log.errors).toHaveLength(1);
  });

  it('drops tags of the user after it dropped everything of its method, in one change and in the next', async () => {
    const world = asking((cached, { id }) => {
      cached.invalidateAll();
      cached.invalidateTags([`user:${String(id)}`]);
    });
    await world.commit(inserted({ id: 1 }), inserted({ id: 2 }));
    const { space } = world.runtime;
    expect(new Set(world.bumps[0]!.tags)).toEqual(
      new Set([world.target.methodTag, space.userTag('user:1'), space.userTag('user:2')]),
    );
  });

  it('that is slow delays no other rule', async () => {
    const spoken = new Deferred();
    const world = asking(async () => spoken.promise, invalidates(User, USER));
    const waiting = world.commit(inserted({ id: 1 }));
    expect(world.bumps).toEqual([{ tags: world.tagsOf({ user: 1 }), mode: 'purge' }]);
    spoken.resolve();
    await waiting;
    expect(world.bumps).toHaveLength(1);
  });

  it('that has not spoken when the write returns counts as dropping everything, until it has', async () => {
    const spoken = new Deferred();
    const world = asking(async (cached) => {
      await spoken.promise;
      cached.deleteByPrefix({ user: 1 });
    });
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(ALL);
    spoken.resolve();
    await settled();
    expect(world.bumps).toHaveLength(2);
  });
});

describe('the work of a commit', () => {
  it('is done when it returns, if the store answers synchronously', () => {
    const world = new World([invalidates(User, USER)]);
    expect(world.commit(inserted({ id: 1 }))).toBeUndefined();
    expect(world.bumps).toHaveLength(1);
  });

  it('bumps a tag once, whatever names it, all rules of a mode together', async () => {
    const world = new World([invalidates(User, USER), invalidates(User, { ...USER, name: 'again' })]);
    await world.commit(inserted({ id: 1 }), updated({ id: 1 }, { id: 2 }), inserted({ id: 2 }));
    const tags = [...new Set([1, 2].flatMap((user) => world.tagsOf({ user })))];
    expect(world.bumps).toEqual([{ tags, mode: 'purge' }]);
  });

  it("mode: 'expire' keeps entries that may be served stale", async () => {
    const world = new World([
      invalidates(User, { ...USER, mode: 'expire' }),
      invalidates(User, { scope: 'all' }),
    ]);
    await world.commit(inserted({ id: 1 }));
    expect(world.bumps).toEqual([
      { tags: [world.target.methodTag], mode: 'purge' },
      { tags: world.tagsOf({ user: 1 }), mode: 'expire' },
    ]);
  });

  it('is not given up for a rule whose invalidation fails, also where the dispatcher does it', async () => {
    const world = new World([
      invalidates(User, { ...USER, eager: false }),
      invalidates(User, { scope: 'all', eager: false }),
    ]);
    let attempts = 0;
    world.failing = () => (++attempts === 1 ? Promise.reject(new Error('store down')) : undefined);
    await world.commit(inserted({ id: 1 }));
    expect(world.bumps).toEqual([{ tags: [world.target.methodTag], mode: 'purge' }]);
    expect(world.log.errors.join()).toContain('store down');
  });

  it('is not waited for longer than 100 ms, and goes on', async () => {
    const store = new Deferred();
    const clock = new ManualClock();
    const mine = new Recording();
    const rule = invalidates(User, { ...USER, dispatcher: 'mine' });
    const world = new World([rule], { clock, dispatchers: { mine } });
    world.failing = () => store.promise;
    let returned = false;
    const writing = Promise.resolve(world.commit(inserted({ id: 1 }))).then(() => (returned = true));
    clock.advance(99);
    await settled();
    expect(returned).toBe(false);
    clock.advance(1);
    await writing;
    expect(mine.batches).toEqual([]);
    store.resolve();
    await settled();
    expect(mine.batches).toHaveLength(1);
  });
});

describe('a dispatcher', () => {
  const withDispatcher = (rules: object[], dispatcher: Dispatcher, options: WorldOptions = {}): World =>
    new World(
      rules.map((rule) => invalidates(User, { ...USER, dispatcher: 'mine', ...rule })),
      { dispatchers: { mine: dispatcher }, ...options },
    );

  it('gets jobs as plain data for tags that were invalidated already', async () => {
    const mine = new Recording();
    const world = withDispatcher([{}], mine);
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(USER_1);
    const [job] = mine.batches[0]!.jobs;
    expect(job).toEqual({
      id: expect.any(String),
      namespace: 'restflow',
      rule: world.rules.all()[0]!.id,
      tags: world.tagsOf({ user: 1 }),
      mode: 'purge',
      done: true,
    });
    expect(JSON.parse(JSON.stringify(job))).toEqual(job);
  });

  it('carries out what eager: false leaves to it', async () => {
    const mine = new Recording();
    const world = withDispatcher([{ eager: false }], mine);
    expect(await world.dropped(inserted({ id: 1 }))).toEqual([]);
    expect(mine.batches[0]!.jobs[0]!.done).toBe(false);
    await mine.work();
    expect(await world.loads(1, 1)).toBe(true);
    expect(await world.loads(2, 1)).toBe(false);
  });

  it('inline runs jobs of eager: false synchronously', async () => {
    const world = new World([invalidates(User, { ...USER, eager: false })]);
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(USER_1);
    expect(world.bumps).toHaveLength(1);
  });

  it('is given the jobs of rules with equal dispatcherConfig together, over the settings of the module', async () => {
    const mine = new Recording();
    const rules = [
      { dispatcherConfig: { queue: 'a' } },
      { dispatcherConfig: { queue: 'b' }, name: 'b' },
      { dispatcherConfig: { queue: 'a' }, name: 'c' },
    ];
    const world = withDispatcher(rules, mine, {
      settings: { mine: { queue: 'z', attempts: 3, raiseException: true } },
    });
    await world.commit(inserted({ id: 1 }));
    expect(mine.batches.map(({ jobs, config }) => [jobs.length, config])).toEqual([
      [2, { queue: 'a', attempts: 3 }],
      [1, { queue: 'b', attempts: 3 }],
    ]);
  });

  it('that fails on one group is given the others', async () => {
    const mine = new Recording(new Error('full'));
    await withDispatcher(
      [{ dispatcherConfig: { queue: 'a' } }, { dispatcherConfig: { queue: 'b' }, name: 'b' }],
      mine,
    ).commit(inserted({ id: 1 }));
    expect(mine.batches).toHaveLength(2);
  });

  it('that fails keeps no other dispatcher from its work, even where the error is raised', async () => {
    const broken = new Recording(new Error('full'));
    const mine = new Recording();
    const world = new World(
      [
        invalidates(User, { ...USER, dispatcher: 'broken', raiseException: true }),
        invalidates(User, { ...USER, dispatcher: 'mine' }),
      ],
      { dispatchers: { broken, mine } },
    );
    await expect(world.commit(inserted({ id: 1 }))).rejects.toThrow('full');
    expect(mine.batches).toHaveLength(1);
  });

  it('gets jobs that are not done if the bump at commit failed', async () => {
    const mine = new Recording();
    const world = withDispatcher([{ raiseException: true }], mine);
    world.failing = () => Promise.reject(new Error('store down'));
    await expect(world.commit(inserted({ id: 1 }))).rejects.toThrow('store down');
    expect(mine.batches[0]!.jobs[0]!.done).toBe(false);
    world.failing = undefined;
    await mine.work();
    expect(world.bumps).toHaveLength(1);
  });
});

describe('raiseException', () => {
  const failing = new Recording(new Error('full'));
  it.each(RAISING)(
    'of the rule %s, of the dispatcher %s, of the module %s: rejects the write %s',
    async (rule, dispatcher, module, raises) => {
      const world = new World([invalidates(User, { ...USER, dispatcher: 'mine', raiseException: rule })], {
        dispatchers: { mine: failing },
        ...raising(dispatcher, module),
      });
      const outcome = await Promise.resolve(world.commit(inserted({ id: 1 }))).then(
        () => 'returned',
        () => 'raised',
      );
      expect(outcome).toBe(raises ? 'raised' : 'returned');
      expect(world.log.errors.join()).toContain('full');
    },
  );

  it('never throws synchronously: the promise that the write awaits rejects', () => {
    const world = new World([invalidates(User, { ...USER, raiseException: true })]);
    world.failing = () => {
      throw new Error('store down');
    };
    const answer = world.commit(inserted({ id: 1 }));
    return expect(answer).rejects.toThrow('store down');
  });
});
