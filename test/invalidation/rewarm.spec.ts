import { describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  CacheConfigurationError,
  DefaultKeyConstructor,
  inlineKeyConstructor,
  invalidates,
  KeyField,
  type DispatchContext,
  type Dispatcher,
  type InvalidationJob,
} from '../../lib/index.js';
import { Gate, settled } from '../support/gate.js';
import { bulk, inserted, removed, updated, User } from './support/changes.js';
import { World, type WorldOptions } from './support/world.js';

const BY_USER = inlineKeyConstructor({ fields: { user: new ArgsKeyField('user', { partition: true }) } });

/** Counts its runs, and answers a version that tests count up. */
let version = 1;
const ran: unknown[] = [];
let held: Gate | undefined;
async function byUser(user: unknown): Promise<unknown> {
  const read = version;
  ran.push(user);
  await held?.pass();
  return [user, read];
}

const rule = (options: object = {}) =>
  invalidates(User, { fieldMapping: { user: 'id' }, rewarm: true, ...options });

function start(options: object = {}, world: WorldOptions = {}): World {
  version = 1;
  ran.length = 0;
  held = undefined;
  return new World([rule(options)], { method: byUser, key: BY_USER, ...world });
}

const read = (world: World, ...args: unknown[]): Promise<unknown> =>
  Promise.resolve(world.runtime.engine.fetch(world.target.call(world, args)));
const reasons = ({ log }: World): string[] => log.warnings.filter((line) => /stays? dropped/.test(line));

describe('a rule with rewarm: true', () => {
  it('recomputes and stores what it dropped before the write returns', async () => {
    const world = start();
    await read(world, 1);
    version = 2;
    await world.commit(updated({ id: 1 }, { id: 1 }));
    expect(ran).toEqual([1, 1]);
    expect(await read(world, 1)).toEqual([1, 2]);
    expect(ran).toEqual([1, 1]);
    expect(reasons(world)).toEqual([]);
  });

  it('recomputes both partitions of a row that moved, and each once however many changes it had', async () => {
    const world = start();
    await world.commit(updated({ id: 1 }, { id: 2 }), updated({ id: 2 }, { id: 1 }), inserted({ id: 2 }));
    expect(ran.sort()).toEqual([1, 2]);
  });

  it('recomputes what a custom invalidator or a mapping function names', async () => {
    const named = start({
      fieldMapping: undefined,
      invalidator: (cached: { deleteByPrefix(values: object): void }) => cached.deleteByPrefix({ user: 7 }),
    });
    await named.commit(bulk());
    expect(ran).toEqual([7]);
    const mapped = start({ fieldMapping: ({ id }: { id: number }) => ({ user: String(id) }) });
    await mapped.commit(inserted({ id: 8 }));
    expect(ran).toEqual(['8']);
  });

  it('recomputes with mode: expire and eager: false too', async () => {
    for (const options of [{ mode: 'expire' }, { eager: false }]) {
      const world = start(options);
      await read(world, 1);
      version = 2;
      await world.commit(updated({ id: 1 }, { id: 1 }));
      await settled();
      expect(ran).toEqual([1, 1]);
      expect(await read(world, 1)).toEqual([1, 2]);
    }
  });

  it('with batch: true recomputes what all of its rules dropped', async () => {
    version = 1;
    ran.length = 0;
    held = undefined;
    const other = rule({ batch: true, eager: false, fieldMapping: { user: 'tenant' } });
    const world = new World([rule({ batch: true, eager: false }), other], { method: byUser, key: BY_USER });
    await world.commit(inserted({ id: 1, tenant: 2 }));
    await settled();
    expect(ran.sort()).toEqual([1, 2]);
  });
});

describe('a recompute', () => {
  it('is never stored over a change that was committed while it ran', async () => {
    const world = start();
    held = new Gate();
    const first = world.commit(updated({ id: 1 }, { id: 1 }));
    await held.reached();
    version = 2;
    const second = world.commit(updated({ id: 1 }, { id: 1 }));
    await held.reached(2);
    held.open();
    await Promise.all([first, second]);
    await settled();
    expect(await read(world, 1)).toEqual([1, 2]);
    expect(ran).toEqual([1, 1]);
  });

  it('and a reader share one load', async () => {
    const world = start();
    held = new Gate();
    const written = world.commit(updated({ id: 1 }, { id: 1 }));
    await held.reached();
    const reading = read(world, 1);
    held.open();
    expect(await reading).toEqual([1, 1]);
    await written;
    expect(ran).toEqual([1]);
  });

  it('that a reader came before takes the value of the reader', async () => {
    const handed: [readonly InvalidationJob[], DispatchContext][] = [];
    const later: Dispatcher = { dispatch: (...given) => void handed.push(given) };
    const world = start({}, { dispatchers: { later }, defaultDispatcher: 'later' });
    await world.commit(updated({ id: 1 }, { id: 1 }));
    await read(world, 1);
    const [jobs, { rewarm }] = handed[0]!;
    await rewarm!(jobs);
    await settled();
    expect(ran).toEqual([1]);
  });

  it('does not follow a change that a cached method makes itself: it would never end', async () => {
    const world: World = new World([rule()], {
      key: BY_USER,
      method: async function writing(user: unknown): Promise<unknown> {
        ran.push(user);
        await world.commit(updated({ id: user }, { id: user }));
        return user;
      },
    });
    ran.length = 0;
    await read(world, 1);
    await settled();
    expect(ran).toEqual([1]);
    expect(reasons(world)).toEqual([expect.stringMatching(/inside a cached method/)]);
  });

  it('that fails leaves the value dropped, is logged once, and fails no write', async () => {
    const world = start(
      {},
      {
        method: async function failing(user: unknown) {
          throw new RangeError(`no ${String(user)}`);
        },
      },
    );
    await world.commit(updated({ id: 1 }, { id: 1 }));
    await world.commit(updated({ id: 1 }, { id: 1 }));
    expect(reasons(world)).toEqual([expect.stringMatching(/Users\.find .* RangeError: no 1/)]);
    await expect(read(world, 1)).rejects.toThrow('no 1');
  });

  it.each<[string, object, WorldOptions, boolean]>([
    ['the rule', { raiseException: true }, {}, true],
    ['the rule, whose name looks like two', { name: 'users, by id', raiseException: true }, {}, true],
    ['the dispatcher', {}, { settings: { inline: { raiseException: true } } }, true],
    ['the module', {}, { raiseException: true }, true],
    [
      'the rule before the dispatcher',
      { raiseException: false },
      { settings: { inline: { raiseException: true } } },
      false,
    ],
    [
      'the dispatcher before the module',
      {},
      { settings: { inline: { raiseException: false } }, raiseException: true },
      false,
    ],
  ])('that fails while the write waits rejects it as %s says', async (_, options, world, raises) => {
    const failing = async (user: unknown): Promise<never> => {
      throw new RangeError(`no ${String(user)}`);
    };
    const started = start(options, { ...world, method: failing });
    const written = Promise.resolve(started.commit(updated({ id: 1 }, { id: 1 })));
    if (raises) await expect(written).rejects.toThrow(/committed.*no 1/);
    else await expect(written).resolves.toBeUndefined();
  });
});

describe('what cannot be recomputed stays dropped, and the log says why, once', () => {
  const twice = async (world: World, change: Parameters<World['commit']>[0], ...args: unknown[]) => {
    await read(world, ...args);
    ran.length = 0;
    await world.commit(change);
    await world.commit(change);
    expect(ran).toEqual([]);
    return reasons(world);
  };

  it.each<[string, Parameters<World['commit']>[0], RegExp]>([
    ['a bulk statement', bulk(), /all entries of the method were dropped/],
    ['a path that is not known', updated({}, {}), /all entries of the method were dropped/],
    ['a null', inserted({ id: null }), /'user' is null/],
    ['a date', inserted({ id: new Date(0) }), /'user' is object/],
  ])('%s', async (_, change, reason) => {
    expect(await twice(start(), change, 1)).toEqual([expect.stringMatching(reason)]);
  });

  it.each<[string, WorldOptions['key'], object, RegExp]>([
    ['a partition that the rule does not map', undefined, {}, /partition 'tenant'/],
    [
      'an argument that is no partition',
      class PageKey extends DefaultKeyConstructor {
        user = new ArgsKeyField('user', { partition: true });
      },
      {},
      /argument 'tenant' is part of the key, but no partition/,
    ],
    [
      'a part of an argument',
      { user: new ArgsKeyField('user', { partition: true, path: 'id' }) },
      {},
      /argument 'user' stands in the partition 'user' changed/,
    ],
    [
      'what is no argument',
      {
        user: new ArgsKeyField('user', { partition: true }),
        locale: new (class extends KeyField {
          override read() {
            return 'en';
          }
        })(),
      },
      {},
      /key field 'locale' reads more than single arguments/,
    ],
  ])('%s in the key', async (_, key, options, reason) => {
    const world = new World([rule(options)], key === undefined ? {} : { key });
    expect(await twice(world, inserted({ id: 1 }), 1, 1)).toEqual([expect.stringMatching(reason)]);
  });

  it('more than a hundred partitions of one transaction, but for the first', async () => {
    const world = start();
    await world.commit(...Array.from({ length: 150 }, (_, id) => inserted({ id })));
    await settled();
    await settled();
    expect(ran).toHaveLength(100);
    expect(reasons(world)).toEqual([expect.stringMatching(/more than 100 partitions/)]);
  });
});

describe('a method without arguments', () => {
  it('is recomputed whatever changed, and however', async () => {
    let computed = 0;
    const method = async (): Promise<number> => ++computed;
    const world = new World([invalidates(User, { scope: 'all', rewarm: true })], {
      method,
      key: DefaultKeyConstructor,
    });
    for (const change of [inserted({ id: 1 }), bulk(), removed({ id: 1 })]) await world.commit(change);
    expect(computed).toBe(3);
    expect(await read(world)).toBe(3);
    expect(reasons(world)).toEqual([]);
  });
});

describe('a job that wants entries recomputed', () => {
  const recording = (): { jobs: InvalidationJob[]; dispatcher: Dispatcher } => {
    const jobs: InvalidationJob[] = [];
    return { jobs, dispatcher: { dispatch: (some) => void jobs.push(...some) } };
  };

  it('is plain JSON, and is carried out from it: invalidated, and recomputed', async () => {
    const { jobs, dispatcher } = recording();
    const world = start({}, { dispatchers: { queue: dispatcher }, defaultDispatcher: 'queue' });
    await world.commit(updated({ id: 1 }, { id: 1 }));
    expect(jobs.map(({ rewarm }) => rewarm)).toEqual([[{ method: 'Users.find', values: { user: 1 } }]]);
    const delivered: unknown = JSON.parse(JSON.stringify(jobs[0]));
    await read(world, 1);
    version = 2;
    await world.handle(delivered);
    await settled();
    expect(await read(world, 1)).toEqual([1, 2]);
    expect(ran).toEqual([1, 1]);
  });

  it('from another build is carried out as far as it is understood', async () => {
    const { jobs, dispatcher } = recording();
    const world = start({}, { dispatchers: { queue: dispatcher }, defaultDispatcher: 'queue' });
    await read(world, 1);
    await world.commit(updated({ id: 1 }, { id: 1 }));
    for (const rewarm of ['all', [null, 7, { method: 'Users.find', values: { gone: 1 } }]])
      await world.handle({ ...jobs[0], rewarm });
    await settled();
    expect(ran).toEqual([1]);
    expect(reasons(world)).toEqual([
      expect.stringMatching(/malformed.*"all"/),
      expect.stringMatching(/partition 'user'/),
    ]);
  });

  it('leaves out rewarm where nothing is to be recomputed', async () => {
    const { jobs, dispatcher } = recording();
    const world = start({}, { dispatchers: { queue: dispatcher }, defaultDispatcher: 'queue' });
    await world.commit(bulk());
    expect(jobs[0]).not.toHaveProperty('rewarm');
  });
});

it('rewarm must be true or false', () => {
  expect(() => rule({ rewarm: 'yes' })).toThrow(CacheConfigurationError);
  expect(() => rule({ rewarm: 'yes' })).toThrow(/rewarm is 'yes'\. Write true or false/);
});

it('a write does not wait longer than 100 ms, and the recompute goes on', async () => {
  const world = start();
  held = new Gate();
  await world.commit(updated({ id: 1 }, { id: 1 }));
  held.open();
  await settled();
  await read(world, 1);
  expect(ran).toEqual([1]);
});
