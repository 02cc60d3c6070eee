import { describe, expect, it } from '@jest/globals';
import {
  invalidates,
  InvalidationRule,
  InvalidationFailedError,
  type DispatchContext,
  type Dispatcher,
  type EntityChange,
  type InjectableInvalidator,
  type InvalidationHandle,
  type InvalidationJob,
} from '../../lib/index.js';
import { Deferred, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';
import { inserted, updated, User } from './support/changes.js';
import { RAISING, raising } from './support/raising.js';
import { World, type WorldOptions } from './support/world.js';

const USER_1 = ['1-1', '1-2', '1-'];
const ALL = ['1-1', '1-2', '1-', '2-1', '2-2', '2-', '-1', '-2', '-'];

class ByOwner implements InjectableInvalidator {
  readonly seen: EntityChange[] = [];
  constructor(private readonly field = 'user') {}

  async invalidate(cached: InvalidationHandle, change: EntityChange): Promise<void> {
    this.seen.push(change);
    await settled();
    cached.deleteByPrefix({ [this.field]: change.after!['id'] });
  }
}

class Counting implements Dispatcher {
  readonly calls: (readonly InvalidationJob[])[] = [];
  dispatch(jobs: readonly InvalidationJob[], _: DispatchContext): void {
    this.calls.push(jobs);
  }
}

describe('an invalidator that is a class', () => {
  it('is called on the provided instance, with the change', async () => {
    const invalidator = new ByOwner();
    const world = new World([invalidates(User, { invalidator: ByOwner })], { invalidators: [invalidator] });
    expect(await world.dropped(updated({ id: 2 }, { id: 1 }, ['id']))).toEqual(USER_1);
    expect(invalidator.seen).toEqual([
      {
        entity: User,
        entityName: 'User',
        type: 'update',
        id: 1,
        before: { id: 2 },
        after: { id: 1 },
        updatedColumns: ['id'],
      },
    ]);
  });

  it('that fails drops everything, and is logged', async () => {
    const world = new World([invalidates(User, { invalidator: ByOwner })], {
      invalidators: [new ByOwner('nobody')],
    });
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(ALL);
    expect(world.log.errors).toEqual([expect.stringContaining('nobody')]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'has no method invalidate',
      () => {
        class Empty {}
        return invalidates(User, { invalidator: Empty as never });
      },
      /invalidator Empty has no method invalidate\. Write invalidate\(cached, change\)/,
    ],
    [
      'is a text',
      () => invalidates(User, { invalidator: 'ByOwner' as never }),
      /invalidator is ByOwner\. Write a function.*or a class/,
    ],
    [
      'was made by nobody',
      () => new World([invalidates(User, { invalidator: ByOwner })]),
      /Users\.find on User.*ByOwner.*invalidators: \[new ByOwner\(…\)\]/,
    ],
  ])('that %s is an error that says what to write', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('a custom invalidator that fails', () => {
  const failing = (options: WorldOptions, raiseException?: boolean): World =>
    new World(
      [
        invalidates(User, {
          dispatcher: 'mine',
          raiseException,
          invalidator: async () => Promise.reject(new Error('broken')),
        }),
      ],
      { dispatchers: { mine: new Counting() }, ...options },
    );

  it.each(RAISING)(
    'with raiseException %s of the rule, %s of the dispatcher, %s of the module: rejects the write %s',
    async (rule, dispatcher, module, raises) => {
      const world = failing(raising(dispatcher, module), rule);
      await world.loads(1, 1);
      const outcome = await Promise.resolve(world.commit(inserted({ id: 1 }))).then(
        () => 'returned',
        (error: unknown) => error,
      );
      if (raises) expect(outcome).toBeInstanceOf(InvalidationFailedError);
      else expect(outcome).toBe('returned');
      expect(await world.loads(1, 1)).toBe(true);
    },
  );

  it('synchronously rejects the write too, and throws nothing where the commit is reported', async () => {
    const world = new World([
      invalidates(User, {
        raiseException: true,
        invalidator: () => {
          throw new Error('broken');
        },
      }),
    ]);
    await expect(world.commit(inserted({ id: 1 }))).rejects.toThrow('broken');
    expect(world.bumps).toEqual([{ tags: [world.target.methodTag], mode: 'purge' }]);
  });
});

describe('a custom invalidator whose promise is not returned', () => {
  it.each<[string, (cached: InvalidationHandle) => void]>([
    ['drops what it names all the same', (cached) => cached.deleteByPrefix({ user: 1 })],
    ['drops everything where it names what is not there', (cached) => cached.deleteByPrefix({ nobody: 1 })],
  ])('%s, and the log says to return it', async (_, name) => {
    const work = new Deferred();
    const world = new World([
      invalidates(User, { invalidator: (cached) => void work.promise.then(() => name(cached)) }),
    ]);
    await world.loads(1, 1);
    await world.commit(inserted({ id: 1 }));
    expect(await world.loads(1, 1)).toBe(false);
    work.resolve();
    await settled();
    expect(await world.loads(1, 1)).toBe(true);
    expect(world.log.errors.join()).toMatch(/after it had ended.*return the promise of its work/s);
  });
});

describe('rewarm: true on a handler', () => {
  it.each<[string, object]>([
    ['takes its time', { invalidator: async (cached: InvalidationHandle) => cached.invalidateAll() }],
    [
      'is told all changes',
      { batch: true, invalidator: (cached: InvalidationHandle) => cached.invalidateAll() },
    ],
  ])('sends its requests after an invalidator that %s', async (_, rule) => {
    const mine = new Counting();
    const world = new World(
      [new InvalidationRule({ entity: User, ...rule, dispatcher: 'mine', rewarm: true })],
      {
        dispatchers: { mine },
        rewarmRequest: ({ id }) => ({ url: `/users/${String(id)}` }),
      },
    );
    await world.commit(inserted({ id: 1 }), inserted({ id: 2 }));
    const requests = mine.calls
      .flat()
      .flatMap(({ rewarm = [] }) => rewarm.map(({ request }) => request?.url));
    expect(requests).toEqual(['/users/1', '/users/2']);
  });
});

describe('in a transaction with a durable dispatcher', () => {
  class Durable extends Counting {
    async enqueue(jobs: readonly InvalidationJob[]): Promise<void> {
      this.calls.push(jobs);
    }
  }

  it('tags that an invalidator names when the transaction is long committed are dropped too', async () => {
    const clock = new ManualClock();
    const mine = new Durable();
    const work = new Deferred();
    const invalidator = async (cached: InvalidationHandle): Promise<void> => {
      await work.promise;
      cached.invalidateTags(['feed']);
    };
    const world = new World([invalidates(User, { dispatcher: 'mine', invalidator })], {
      dispatchers: { mine },
      clock,
    });
    const written = world.transaction(inserted({ id: 1 }));
    await settled();
    clock.advance(100);
    await written;
    expect(world.bumps).toEqual([{ tags: [world.target.methodTag], mode: 'purge' }]);
    work.resolve();
    await settled();
    expect(world.bumps.at(-1)!.tags).toContain(world.runtime.space.userTag('feed'));
  });

  it('a rule that came between the writing of jobs and the COMMIT is carried out as well', async () => {
    const mine = new Durable();
    const rules = [invalidates(User, { fieldMapping: { user: 'id' } }), invalidates(User, { scope: 'all' })];
    const world = new World(rules, { dispatchers: { mine }, defaultDispatcher: 'mine' });
    const all = world.rules.all();
    const changes = [inserted({ id: 1 })];
    const transaction = { queryRunner: { query: async () => undefined }, dataSource: {} };
    await world.service.committing(
      changes,
      () => all.slice(0, 1),
      transaction,
      (work) => work(),
    );
    await world.service.committed(changes, () => all);
    expect(world.bumps.flatMap(({ tags }) => tags)).toContain(world.target.methodTag);
  });

  it('an invalidator that fails does not fail the transaction: the write rejects when it is committed', async () => {
    const mine = new Durable();
    const world = new World(
      [
        invalidates(User, {
          dispatcher: 'mine',
          raiseException: true,
          invalidator: async () => Promise.reject(new Error('broken')),
        }),
      ],
      { dispatchers: { mine } },
    );
    await expect(world.transaction(inserted({ id: 1 }))).rejects.toThrow(InvalidationFailedError);
    expect(mine.calls.map((jobs) => jobs.map(({ tags }) => tags))).toEqual([[[world.target.methodTag]]]);
    expect(world.bumps).toEqual([{ tags: [world.target.methodTag], mode: 'purge' }]);
  });

  it('batch: true asks an invalidator once, and writes one job', async () => {
    const mine = new Durable();
    let asked = 0;
    const world = new World(
      [
        invalidates(User, { dispatcher: 'mine', batch: true, fieldMapping: { tenant: 'id' } }),
        invalidates(User, {
          dispatcher: 'mine',
          batch: true,
          invalidator: (cached, changes) => {
            asked++;
            for (const { id } of changes) cached.deleteByPrefix({ user: id });
          },
        }),
      ],
      { dispatchers: { mine } },
    );
    await world.transaction(inserted({ id: 1 }), inserted({ id: 2 }));
    expect(asked).toBe(1);
    expect(mine.calls.map((jobs) => jobs.map(({ tags }) => tags.length))).toEqual([[5]]);
  });
});

describe('batch', () => {
  it('calls a custom invalidator once for a transaction, with all changes that fire the rule', async () => {
    const seen: (readonly EntityChange[])[] = [];
    const world = new World([
      invalidates(User, {
        batch: true,
        invalidateWhen: { archived: false },
        invalidator: (cached, changes) => {
          seen.push(changes);
          for (const { id } of changes) cached.deleteByPrefix({ user: id });
        },
      }),
    ]);
    await world.commit(
      inserted({ id: 1, archived: false }),
      inserted({ id: 2, archived: true }),
      inserted({ id: 3, archived: false }),
    );
    expect(seen.map((changes) => changes.map(({ id }) => id))).toEqual([[1, 3]]);
    expect(world.bumps).toEqual([
      { tags: [1, 3].map((user) => world.target.partitionTag({ user })), mode: 'purge' },
    ]);
    await world.commit(inserted({ id: 4, archived: true }));
    expect(seen).toHaveLength(1);
  });

  it('calls an invalidator that is a class with all changes', async () => {
    class Together implements InjectableInvalidator<true> {
      invalidate(cached: InvalidationHandle, changes: readonly EntityChange[]): void {
        cached.deleteByPrefix({ user: changes.length });
      }
    }
    const world = new World([invalidates(User, { batch: true, invalidator: Together })], {
      invalidators: [new Together()],
    });
    expect(await world.dropped(inserted({ id: 8 }))).toEqual(USER_1);
  });

  it('drops everything when the invalidator fails, or has not spoken when the write returns', async () => {
    const throwing = new World([
      invalidates(User, {
        batch: true,
        invalidator: () => {
          throw new Error('broken');
        },
      }),
    ]);
    expect(await throwing.dropped(inserted({ id: 1 }))).toEqual(ALL);
    const spoken = new Deferred();
    const late = new World([invalidates(User, { batch: true, invalidator: () => spoken.promise })]);
    expect(await late.dropped(inserted({ id: 1 }))).toEqual(ALL);
    spoken.resolve();
  });

  it('makes one job of the rules with one dispatcher, configuration and mode, and of no others', async () => {
    const mine = new Counting();
    const rule = (name: string, options: object): unknown =>
      invalidates(User, { name, fieldMapping: { user: 'id' }, dispatcher: 'mine', ...options });
    const world = new World(
      [
        rule('a', { batch: true }),
        rule('b', { batch: true, fieldMapping: { tenant: 'id' } }),
        rule('c', { batch: true, mode: 'expire' }),
        rule('d', { batch: true, dispatcherConfig: { queue: 'other' } }),
        rule('e', {}),
        rule('f', {}),
      ],
      { dispatchers: { mine } },
    );
    await world.commit(inserted({ id: 1 }));
    const jobs = mine.calls.map((call) =>
      call.map(({ rule: names, mode, tags, done }) => [
        names.replace(/#\w+/g, ''),
        mode,
        tags.map((tag) => tag.split(':').at(-1)),
        done,
      ]),
    );
    expect(jobs).toEqual([
      [
        ['e', 'purge', ['user=1', '*user'], true],
        ['f', 'purge', ['user=1', '*user'], true],
        ['a, b', 'purge', ['user=1', '*user', 'tenant=1', '*tenant'], true],
        ['c', 'expire', ['user=1', '*user'], true],
      ],
      [['d', 'purge', ['user=1', '*user'], true]],
    ]);
  });

  it('is an error unless it is a boolean', () => {
    expect(() => invalidates(User, { scope: 'all', batch: 'yes' as never })).toThrow(/batch is 'yes'/);
  });
});
