import { describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  invalidates,
  InvalidationRule,
  type InvalidationRuleOptions,
} from '../../lib/index.js';
import { bulk, inserted, removed, updated, User } from './support/changes.js';
import { World } from './support/world.js';

const ALL = ['1-1', '1-2', '1-', '2-1', '2-2', '2-', '-1', '-2', '-'];
const USER_1 = ['1-1', '1-2', '1-'];
const USER_2 = ['2-1', '2-2', '2-'];
const NULL_USER = ['-1', '-2', '-'];

type Options = Omit<InvalidationRuleOptions<User>, 'entity'>;
const world = (options: Options): World => new World([new InvalidationRule({ entity: User, ...options })]);
const BY_ID: Options = { fieldMapping: { user: 'id' } };

describe('a rule with a mapping', () => {
  it('drops the partition of the row and nothing else, by record and by function', async () => {
    expect(await world(BY_ID).dropped(inserted({ id: 1 }))).toEqual(USER_1);
    expect(await world({ fieldMapping: ({ id }) => ({ user: id }) }).dropped(removed({ id: 2 }))).toEqual(
      USER_2,
    );
  });

  it('drops the partitions of the row before and after', async () => {
    expect(await world(BY_ID).dropped(updated({ id: 1 }, { id: 2 }))).toEqual([...USER_1, ...USER_2]);
  });

  it('drops by two fields together what both say', async () => {
    const both = world({ fieldMapping: { user: 'id', tenant: 'tenant' } });
    expect(await both.dropped(updated({ id: 1, tenant: 1 }, { id: 1, tenant: 2 }))).toEqual(['1-1', '1-2']);
  });

  it.each([
    ['a path', 'author.team.id', { author: { team: { id: 2 } } }, USER_2],
    ['a path that ends at a null', 'author.team.id', { author: null }, NULL_USER],
    ['a relation that was not loaded', 'author.id', {}, ALL],
    ['a column of a relation that was not loaded', 'author.team.id', { author: { id: 1 } }, ALL],
  ])('reads %s', async (_, path, values, expected) => {
    expect(await world({ fieldMapping: { user: path as 'author.id' } }).dropped(inserted(values))).toEqual(
      expected,
    );
  });

  it.each<[string, Options['fieldMapping']]>([
    ['reads what is not known', (user) => ({ user: user.author!.id })],
    ['makes text of what is not known', (user) => ({ user: `${user.author?.id}` })],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['gives undefined for a field', () => ({ user: undefined })],
    ['gives no field', () => ({})],
    ['gives nothing', () => undefined as never],
    ['gives an unknown field', () => ({ nobody: 1 })],
    ['is async', (async () => ({ user: 1 })) as never],
  ])('drops everything where its function %s', async (_, fieldMapping) => {
    expect(await world({ fieldMapping }).dropped(inserted({ id: 1 }))).toEqual(ALL);
  });

  it('drops everything where its function makes text of a column that a related row leaves out', async () => {
    const rule = world({ fieldMapping: (user) => ({ user: `${user.author!.name}` }) });
    expect(await rule.dropped(inserted({ id: 1, author: { id: 1 } }))).toEqual(ALL);
    expect(await rule.dropped(inserted({ id: 1, author: { id: 1, name: '1' } }))).toEqual(USER_1);
  });

  it.each(['update', 'remove', 'softRemove', 'unknown'] as const)(
    'drops everything for a bulk %s',
    async (type) => {
      expect(await world(BY_ID).dropped(bulk(type))).toEqual(ALL);
    },
  );

  it('takes values as coarsely as partitions are: a number is its text', async () => {
    expect(await world(BY_ID).dropped(inserted({ id: ' 01 ' }))).toEqual(USER_1);
  });
});

describe('invalidateWhen on a column that holds a list', () => {
  const roles = (wanted: unknown): World => world({ scope: 'all', invalidateWhen: { roles: wanted } });
  it.each<[string, unknown, readonly string[]]>([
    ['one of its members', 'admin', ALL],
    ['a list of which it holds one', ['guest', 'admin'], ALL],
    ['what it does not hold', 'guest', []],
  ])('is met by %s', async (_, wanted, dropped) => {
    expect(await roles(wanted).dropped(inserted({ id: 1, roles: ['admin', 'editor'] }))).toEqual(dropped);
  });
});

describe('requireArgs', () => {
  const NULL = inserted({ id: null });
  const BY_ARGUMENT = { key: { user: new ArgsKeyField('id', { partition: true }) } } as const;
  async function find(id: unknown): Promise<unknown> {
    return id;
  }
  const required = (...names: string[]): World =>
    new World([invalidates(User, { fieldMapping: { id: 'id' }, requireArgs: names })], {
      ...BY_ARGUMENT,
      method: find as never,
    });

  it.each(['id', 'user'])('accepts the name of a field and that of its argument: %s', async (name) => {
    const rule = required(name);
    await rule.commit(NULL);
    expect(rule.bumps).toEqual([]);
    await rule.commit(inserted({ id: 1 }));
    expect(rule.bumps).toEqual([{ tags: rule.tagsOf({ user: 1 }), mode: 'purge' }]);
  });

  it('skips nothing for what a mapping does not give', async () => {
    const named = world({ fieldMapping: ({ id }) => ({ user: id }), requireArgs: ['tenant'] });
    expect(await named.dropped(inserted({ id: 1 }))).toEqual(USER_1);
  });
});

describe('a mapped value that is known to be null', () => {
  const NULL = inserted({ id: null, tenant: 1 });
  const mapping = { user: 'id', tenant: 'tenant' } as const;
  it('drops the null partition by default, and with requireArgs: false', async () => {
    expect(await world(BY_ID).dropped(NULL)).toEqual(NULL_USER);
    expect(await world({ ...BY_ID, requireArgs: false }).dropped(NULL)).toEqual(NULL_USER);
  });

  it('skips the row with requireArgs: true, but not the other row of the change', async () => {
    const rule = { ...BY_ID, requireArgs: true };
    expect(await world(rule).dropped(NULL)).toEqual([]);
    expect(await world(rule).dropped(updated({ id: 1 }, { id: null }))).toEqual(USER_1);
  });

  it('skips the row where requireArgs names its field', async () => {
    expect(await world({ fieldMapping: mapping, requireArgs: ['user'] }).dropped(NULL)).toEqual([]);
    expect(await world({ fieldMapping: mapping, requireArgs: ['tenant'] }).dropped(NULL)).toEqual(['-1']);
  });

  it('is not what cannot be known: that is never skipped', async () => {
    expect(await world({ ...BY_ID, requireArgs: true }).dropped(inserted({}))).toEqual(ALL);
  });
});

describe('watchFields', () => {
  const rule: Options = { ...BY_ID, watchFields: ['email', 'author.id', 'status'] };
  it.each([
    [['email'], USER_1],
    [['author'], USER_1],
    [['author.id'], USER_1],
    [['archived', 'status'], USER_1],
    [['archived'], []],
    [['emails'], []],
    [[], []],
    [undefined, USER_1],
  ])('an update of %j', async (columns, expected) => {
    expect(await world(rule).dropped(updated({ id: 1 }, { id: 1 }, columns))).toEqual(expected);
  });

  it('do not filter inserts, removes, or bulk statements without columns', async () => {
    expect(await world(rule).dropped(inserted({ id: 1 }))).toEqual(USER_1);
    expect(await world(rule).dropped(removed({ id: 1 }))).toEqual(USER_1);
    expect(await world(rule).dropped(bulk())).toEqual(ALL);
    expect(await world(rule).dropped(bulk('update', ['archived']))).toEqual([]);
  });
});

describe('invalidateWhen', () => {
  const when = (invalidateWhen: Record<string, unknown>): World => world({ ...BY_ID, invalidateWhen });
  it.each<[Record<string, unknown>, Record<string, unknown>, Record<string, unknown>, boolean]>([
    [{ status: 'on' }, { status: 'on' }, { status: 'off' }, true],
    [{ status: 'on' }, { status: 'off' }, { status: 'on' }, true],
    [{ status: 'on' }, { status: 'off' }, { status: 'off' }, false],
    [{ status: 'on' }, {}, { status: 'off' }, true],
    [{ status: ['on', 'idle'] }, { status: 'idle' }, { status: 'off' }, true],
    [{ status: ['on', 'idle'] }, { status: 'off' }, { status: 'off' }, false],
    [{ '!archived': true }, { archived: false }, { archived: true }, true],
    [{ '!archived': true }, { archived: true }, { archived: true }, false],
    [{ '!status': ['on', 'idle'] }, { status: 'on' }, { status: 'idle' }, false],
    [{ '!status': ['on', 'idle'] }, { status: 'on' }, { status: 'off' }, true],
    [
      { status: 'on', '!archived': true },
      { status: 'on', archived: true },
      { status: 'off', archived: false },
      false,
    ],
    [{ tenant: null }, { tenant: null }, { tenant: 1 }, true],
    [{ tenant: null }, { tenant: 2 }, { tenant: 1 }, false],
    [{ tenant: 7 }, { tenant: '7' }, { tenant: '7' }, true],
    [{ 'author.id': 3 }, { author: { id: 3 } }, { author: null }, true],
    [{ 'author.id': 3 }, { author: { id: 4 } }, { author: null }, false],
  ])('%j fires for %j → %j: %s', async (conditions, before, after, fires) => {
    const dropped = await when(conditions).dropped(updated({ id: 1, ...before }, { id: 1, ...after }));
    expect(dropped).toEqual(fires ? USER_1 : []);
  });

  it('fires for unknown rows', async () => {
    expect(await when({ status: 'on' }).dropped(bulk())).toEqual(ALL);
  });
});

describe('what else a rule says', () => {
  it('triggerOnCreate: false leaves inserts out, and nothing else', async () => {
    const rule = world({ ...BY_ID, triggerOnCreate: false });
    expect(await rule.dropped(inserted({ id: 1 }))).toEqual([]);
    expect(await rule.dropped(updated({ id: 1 }, { id: 1 }))).toEqual(USER_1);
    expect(await rule.dropped(bulk('unknown'))).toEqual(ALL);
  });

  it("scope: 'all', a bare class and a bare name drop everything the method cached", async () => {
    expect(await world({ scope: 'all' }).dropped(inserted({ id: 1 }))).toEqual(ALL);
    expect(await new World([User]).dropped(inserted({ id: 1 }))).toEqual(ALL);
    expect(await new World(['User']).dropped(inserted({ id: 1 }))).toEqual(ALL);
  });

  it('a rule may be an object, and its entity a function that returns the class', async () => {
    const rule = new World([{ entity: () => User, fieldMapping: { user: 'id' } }]);
    expect(await rule.dropped(inserted({ id: 1 }))).toEqual(USER_1);
    expect(rule.rules.all()[0]!.entity).toBe(User);
  });

  it('drops what is touched by any of the changes of a transaction', async () => {
    expect(await world(BY_ID).dropped(inserted({ id: 1 }), inserted({ id: 2 }))).toEqual([
      ...USER_1,
      ...USER_2,
    ]);
  });

  it('drops everything where one transaction touches more partitions than are worth naming', async () => {
    const rule = world(BY_ID);
    const changes = Array.from({ length: 1_001 }, (_, i) => inserted({ id: i + 10 }));
    expect(await rule.dropped(...changes)).toEqual(ALL);
    expect(rule.bumps[0]!.tags).toEqual([rule.target.methodTag]);
    expect(await world(BY_ID).dropped(...changes.slice(0, 1_000))).toEqual([]);
  });
});
