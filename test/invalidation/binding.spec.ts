import { describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  CacheResult,
  DefaultKeyConstructor,
  invalidates,
  InvalidationDispatcher,
  InvalidationRule,
} from '../../lib/index.js';
import type { Dispatcher } from '../../lib/index.js';
import type { BoundRule } from '../../lib/invalidation/index.js';
import { describeRule } from '../../lib/invalidation/rules/manifest-rule.js';
import { inserted, User } from './support/changes.js';
import { World, type WorldOptions } from './support/world.js';

const USER = { fieldMapping: { user: 'id' } } as const;
const silent: Dispatcher = { dispatch: () => undefined };

@InvalidationDispatcher('by-class')
class ByClass implements Dispatcher {
  dispatch(): void {}
}

describe('a rule that cannot work is an error that names the method and what to write', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'says nothing',
      () => new World([new InvalidationRule({ entity: User })]),
      /Users\.find.*User.*fieldMapping.*scope.*invalidator/s,
    ],
    [
      'says nothing, on a method whose arguments have defaults',
      () =>
        new World([new InvalidationRule({ entity: User })], {
          method: async (page = 1) => page,
          key: { page: new ArgsKeyField(0) },
        }),
      /fieldMapping.*scope.*invalidator/s,
    ],
    [
      'says nothing, on a method without arguments',
      () => new World([new InvalidationRule({ entity: User })], { method: async () => 1, key: () => 'all' }),
      /Users\.find on User does not say.*scope: 'all'/s,
    ],
    [
      'says nothing, on a method with rest arguments',
      () =>
        new World([new InvalidationRule({ entity: User })], {
          method: async (...ids: number[]) => ids,
          key: () => 1,
        }),
      /fieldMapping.*scope.*invalidator/s,
    ],
    [
      'maps an unknown field',
      () => new World([invalidates(User, { fieldMapping: { nobody: 'id' } })]),
      /Users\.find on User maps 'nobody'.*tenant, user/s,
    ],
    [
      'maps a field that is no partition',
      () => new World([invalidates(User, USER)], { key: { user: new ArgsKeyField('user') } }),
      /not a partition field.*partition: true/s,
    ],
    [
      'maps a field of a method without a keyConstructor',
      () => new World([invalidates(User, USER)], { key: DefaultKeyConstructor }),
      /It has none: write keyConstructor: \{ user: new ArgsKeyField\('user', \{ partition: true \}\) \}/,
    ],
    ['maps nothing', () => invalidates(User, { fieldMapping: {} }), /fieldMapping is empty/],
    [
      'has both fieldMapping and invalidator',
      () => invalidates(User, { ...USER, invalidator: () => undefined }),
      /fieldMapping and invalidator exclude each other/,
    ],
    [
      'has both fieldMapping and scope',
      () => invalidates(User, { ...USER, scope: 'all' }),
      /exclude each other/,
    ],
    [
      'has an unknown scope',
      () => invalidates(User, { scope: 'some' as never }),
      /^invalidates\(User\): scope is 'some'/,
    ],
    ['has an unknown mode', () => invalidates(User, { ...USER, mode: 'soft' as never }), /mode is 'soft'/],
    [
      'asks a column for a function',
      () => invalidates(User, { ...USER, invalidateWhen: { status: () => true } }),
      /invalidateWhen compares 'status' with a function\. Write a value.*invalidator/,
    ],
    [
      'asks a column for a pattern',
      () => invalidates(User, { ...USER, invalidateWhen: { email: ['a', /@example/] } }),
      /'email' with an instance of RegExp/,
    ],
    [
      'has a function for its conditions',
      () => invalidates(User, { ...USER, invalidateWhen: (() => true) as never }),
      /invalidateWhen is a function\. Write \{ status/,
    ],
    [
      'has a text for a switch',
      () => invalidates(User, { ...USER, eager: 'no' as never }),
      /eager is 'no'\. Write true or false/,
    ],
    [
      'maps to what is no path',
      () => invalidates(User, { fieldMapping: { user: 'id.' as never } }),
      /invalidates\(User\): fieldMapping maps 'user' to 'id\.'\. Write a property/,
    ],
    [
      'maps to a function',
      () => invalidates(User, { fieldMapping: { user: ((user: User) => user.id) as never } }),
      /maps 'user' to a function.*a function in place of the mapping: \(user\) => \(\{ user: user\.id \}\)/,
    ],
    [
      'has a text for a mapping',
      () => invalidates(User, { fieldMapping: 'id' as never }),
      /fieldMapping is 'id'\. Write \{ user: 'id' \}/,
    ],
    [
      'watches one field',
      () => invalidates(User, { ...USER, watchFields: 'email' as never }),
      /watchFields is 'email'\. Write a list.*\['email'\]/,
    ],
    [
      'requires one field',
      () => invalidates(User, { ...USER, requireArgs: 'user' as never }),
      /requireArgs is 'user'\. Write true, false or a list/,
    ],
    ['has a number for a name', () => invalidates(User, { ...USER, name: 5 as never }), /name is 5/],
    [
      'has a number for a dispatcher',
      () => invalidates(User, { ...USER, dispatcher: 5 as never }),
      /dispatcher is 5/,
    ],
    [
      'has a text for settings',
      () => invalidates(User, { ...USER, dispatcherConfig: 'cache' as never }),
      /dispatcherConfig is 'cache'/,
    ],
    [
      'has no options',
      () => invalidates(User, undefined as never),
      /invalidates\(\) was given undefined for options/,
    ],
    [
      'is a list of rules',
      () => new World([[invalidates(User, USER)]]),
      /Users\.find: the options are \[an instance of InvalidationRule\]/,
    ],
    ['has an unknown option', () => invalidates(User, { fields: {} } as never), /unknown option fields/],
    [
      'has an undefined entity',
      () => invalidates(undefined as never, USER),
      /circular import.*\(\) => Class/s,
    ],
    [
      'has a function that returns no entity',
      () => new World([invalidates((() => undefined) as never, USER)]),
      /returns undefined.*\(\) => User/s,
    ],
    ['is no rule at all', () => new World([null]), /invalidatesOn of Users\.find: the options are null/],
    [
      'asks for an unknown dispatcher',
      () => new World([invalidates(User, { ...USER, dispatcher: 'x' })]),
      /'x'.*inline/s,
    ],
    [
      'asks for a dispatcher class that is no provider',
      () => new World([invalidates(User, { ...USER, dispatcher: ByClass })]),
      /ByClass.*forRoot\(\{ dispatchers/s,
    ],
  ])('one that %s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('is found when the decorator runs, where that is possible', () => {
    const descriptor = { value: async (id: number) => id };
    const decorate = CacheResult({ invalidatesOn: [{ entity: User, ...USER, scope: 'all' } as never] });
    class Users {}
    expect(() => decorate(Users.prototype, 'find', descriptor)).toThrow(/invalidatesOn of Users\.find/);
  });
});

describe('a rule that is bound', () => {
  it('has an identity and can be published, with any options', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    class Connection {
      readonly owner = circular;
      constructor(readonly port: number) {}
    }
    const bound = (dispatcherConfig: object, amount = 10n): BoundRule =>
      new World([
        invalidates(User, { ...USER, invalidateWhen: { amount }, dispatcherConfig: { dispatcherConfig } }),
      ]).rules.all()[0]!;
    const rule = bound(circular);
    expect(rule.id).toBe(bound(circular).id);
    expect(rule.id).not.toBe(bound(circular, 11n).id);
    expect(bound(new Connection(1)).id).toBe(bound(new Connection(2)).id);
    expect(describeRule(rule).rule).toMatchObject({ dispatcher: 'inline' });
  });

  it('that is too long to publish runs inline in other processes: its configuration stays here', () => {
    const [rule] = new World(
      [
        invalidates(User, {
          ...USER,
          dispatcher: 'mine',
          dispatcherConfig: { queue: 'q' },
          invalidateWhen: { email: 'x'.repeat(5_000) },
        }),
      ],
      { dispatchers: { mine: silent } },
    ).rules.all();
    expect(describeRule(rule!).rule).toMatchObject({ dispatcher: 'inline', method: 'Users.find' });
  });

  it('maps an argument name to the field that reads it', async () => {
    const world = new World([invalidates(User, { fieldMapping: { user: 'id' } })], {
      key: { who: new ArgsKeyField('user', { partition: true }), tenant: new ArgsKeyField('tenant') },
    });
    expect(await world.dropped(inserted({ id: 1 }))).toEqual(['1-1', '1-2', '1-']);
  });

  it('drops by a function whose fields make no declared subset everything, and says which line to add', async () => {
    const world = new World([invalidates(User, { fieldMapping: () => ({ user: 1, tenant: 1 }) })], {
      key: ['user', 'tenant', 'third'].reduce(
        (fields, name) => ({ ...fields, [name]: new ArgsKeyField(name, { partition: true }) }),
        {},
      ),
      method: async (user: unknown, tenant: unknown, third: unknown) => [user, tenant, third],
    });
    await world.commit(inserted({ id: 1 }));
    expect(world.bumps[0]!.tags).toEqual([world.target.methodTag]);
    expect(world.log.errors.join()).toContain(`partitions: [['tenant', 'user']]`);
  });

  it('drops by a declared subset of two of three fields that subset alone', async () => {
    const world = new World([invalidates(User, { fieldMapping: { user: 'id', tenant: 'tenant' } })], {
      key: ['user', 'tenant', 'third'].reduce(
        (fields, name) => ({ ...fields, [name]: new ArgsKeyField(name, { partition: true }) }),
        {},
      ),
      method: async (user: unknown, tenant: unknown, third: unknown) => [user, tenant, third],
    });
    await world.commit(inserted({ id: 1, tenant: 2 }));
    expect(world.bumps[0]!.tags).toEqual(world.tagsOf({ user: 1, tenant: 2 }));
  });

  it('has an identity that is stable, and differs where the rule does', () => {
    const id = (rule: InvalidationRule<User>, options?: WorldOptions): string =>
      new World([rule], options).rules.all()[0]!.id;
    const first = id(invalidates(User, USER));
    expect(first).toMatch(/^Users\.find<-User#[0-9a-f]{8}$/);
    expect(id(new InvalidationRule<User>({ entity: User, ...USER }))).toBe(first);
    expect(id(invalidates(User, { fieldMapping: { user: 'email' } }))).not.toBe(first);
    expect(id(invalidates(User, { ...USER, requireArgs: true }))).not.toBe(first);
    expect(id(invalidates(User, { ...USER, name: 'by-id' }))).toMatch(/^by-id#/);
  });

  it('finds its dispatcher by name, by class and by default', () => {
    const dispatchers = { 'by-class': new ByClass(), other: silent };
    const of = (options: object, defaultDispatcher = 'inline'): string =>
      new World([invalidates(User, { ...USER, ...options })], {
        dispatchers,
        defaultDispatcher,
      }).rules.all()[0]!.dispatcher;
    expect(of({ dispatcher: 'other' })).toBe('other');
    expect(of({ dispatcher: ByClass })).toBe('by-class');
    expect(of({})).toBe('inline');
    expect(of({}, 'other')).toBe('other');
  });

  it('lets no two dispatchers have one name', () => {
    const { dispatchers } = new World([invalidates(User, USER)]);
    expect(() => dispatchers.add('inline', silent)).toThrow(/two dispatchers called 'inline'/);
  });

  it('is reported with its entity, its method and its dispatcher', () => {
    const world = new World([invalidates(User, USER), invalidates(User, { scope: 'all', mode: 'expire' })]);
    expect(world.rules.of(world.target)).toMatchObject([
      { entity: 'User', mode: 'purge', dispatcher: 'inline', drops: ['user'] },
      { entity: 'User', mode: 'expire', dispatcher: 'inline', drops: 'all' },
    ]);
  });
});
