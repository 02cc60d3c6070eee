import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Logger, type Type } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, type EntityManager, PrimaryGeneratedColumn } from 'typeorm';
import {
  ArgsKeyField,
  attachInvalidation,
  CACHE_MISSING,
  CacheResult,
  type EntityClass,
  InvalidationRule,
  KeyConstructor,
  type InvalidationRuleOptions,
} from '../../lib/index.js';
import { Entry } from '../../lib/stores/store.interface.js';
import { Stamp } from '../../lib/stores/stamp.js';
import { type OrmDataSource, ProcessDataSources } from '../../lib/typeorm/index.js';
import { LogBook, TestApplication } from '../support/application.js';
import { settled } from '../support/gate.js';
import { SharedMemory } from '../support/shared-memory.js';

@Entity('member')
class Member {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) email!: string;
  @Column({ type: 'varchar', default: 'active' }) status!: string;
  @Column({ type: 'int', default: 0 }) visits!: number;
}

/** What another build calls it: the same table. */
@Entity('member')
class Person {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar', name: 'email' }) mail!: string;
  @Column({ type: 'varchar', default: 'active' }) status!: string;
  @Column({ type: 'int', default: 0 }) visits!: number;
}

@Entity()
class Unrelated {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) email!: string;
}

class MemberKey extends KeyConstructor {
  member = new ArgsKeyField('id', { partition: true });
}

/** A cached class with the rules of one build; all of them cache the same method. */
function members(
  ...rules: Partial<InvalidationRuleOptions<Member>>[]
): Type<{ find(id: number): Promise<string> }> {
  @Injectable()
  class Members {
    @CacheResult({
      name: 'Members.find',
      keyConstructor: MemberKey,
      invalidatesOn: rules.map((rule) => new InvalidationRule({ entity: Member, ...rule })),
    })
    async find(id: number): Promise<string> {
      return `member ${id}`;
    }
  }
  return Members;
}

const BY_ID: Partial<InvalidationRuleOptions<Member>> = { fieldMapping: { member: 'id' } };

describe('a process that does not load the cached class', () => {
  let store: SharedMemory;
  const apps: TestApplication[] = [];
  const said: string[] = [];
  beforeEach(() => {
    store = new SharedMemory();
    said.length = 0;
    jest
      .spyOn(LogBook.prototype, 'log')
      .mockImplementation(((line: string) => void said.push(line)) as never);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const app of apps.splice(0)) await app.close();
  });

  async function start(providers: Type[], entities: EntityClass[]): Promise<TestApplication> {
    const database = TypeOrmModule.forRoot({
      type: 'sqljs',
      synchronize: true,
      autoSave: false,
      entities: entities as never,
    });
    const app = await TestApplication.start(providers, { store, namespace: 'fleet' }, [database]);
    apps.push(app);
    return app;
  }
  const worker = (...entities: EntityClass[]): Promise<TestApplication> =>
    start([], entities.length > 0 ? entities : [Member]);
  const managerOf = (app: TestApplication): EntityManager => app.get(DataSource).manager;

  /** Which of the members 1 to 3 a write drops, all of which were cached before. */
  async function dropped(
    [api, provider]: readonly [TestApplication, ReturnType<typeof members>],
    write: () => Promise<unknown>,
  ): Promise<number[]> {
    const cached = api.cache.for(provider, 'find');
    for (const id of [1, 2, 3]) await cached.get(id);
    await write();
    const values = await Promise.all([1, 2, 3].map((id) => cached.getCacheOnly(id)));
    return [1, 2, 3].filter((_, i) => values[i] === CACHE_MISSING);
  }
  async function seed(app: TestApplication): Promise<EntityManager> {
    const manager = managerOf(app);
    await manager.save(Member, [{ email: 'a' }, { email: 'b' }, { email: 'c' }]);
    return manager;
  }
  async function api(
    ...rules: Partial<InvalidationRuleOptions<Member>>[]
  ): Promise<readonly [TestApplication, ReturnType<typeof members>]> {
    const provider = members(...rules);
    return [await start([provider], [Member]), provider];
  }
  /** Lets a process ask what others have told. */
  async function hear(...listeners: TestApplication[]): Promise<void> {
    for (const app of listeners) {
      app.clock.advance(1_000);
      await settled();
    }
  }

  it('drops the partition of what it saves, and no other', async () => {
    const cached = await api(BY_ID);
    const manager = await seed(await worker());
    expect(await dropped(cached, () => manager.save(Member, { id: 2, email: 'new' }))).toEqual([2]);
    expect(await dropped(cached, () => manager.update(Member, 1, { email: 'x' }))).toEqual([1, 2, 3]);
    const rollback = manager.transaction(async (inner) => {
      await inner.save(Member, { id: 3, email: 'gone' });
      throw new Error('no');
    });
    await rollback.catch(() => undefined);
    expect(said.join()).not.toMatch(/drops all/);
  });

  it('matches as the rule says: conditions, watched fields, no inserts', async () => {
    const cached = await api({
      ...BY_ID,
      watchFields: ['email'],
      invalidateWhen: { status: 'active' },
      triggerOnCreate: false,
    });
    const manager = await seed(await worker());
    expect(await dropped(cached, () => manager.save(Member, { id: 1, visits: 5 }))).toEqual([]);
    expect(await dropped(cached, () => manager.save(Member, { id: 1, email: 'n' }))).toEqual([1]);
    await manager.save(Member, { id: 2, status: 'gone' });
    expect(await dropped(cached, () => manager.save(Member, { id: 2, email: 'n' }))).toEqual([]);
    expect(await dropped(cached, () => manager.save(manager.create(Member, { email: 'd' })))).toEqual([]);
  });

  it.each([
    [
      'a function for fieldMapping',
      { fieldMapping: ({ id }: Member) => ({ member: id }) },
      /its fieldMapping is a function/,
    ],
    ['an invalidator', { invalidator: () => undefined }, /its invalidator is code/],
  ])('drops all of the method for a rule with %s, and the boot says so', async (_, rule, why) => {
    const cached = await api(rule as Partial<InvalidationRuleOptions<Member>>);
    expect(
      said.filter((line) => why.test(line) && /Members\.find on Member drops all/.test(line)),
    ).toHaveLength(1);
    const manager = await seed(await worker());
    expect(await dropped(cached, () => manager.save(Member, { id: 2, email: 'new' }))).toEqual([1, 2, 3]);
    const own = await seed(cached[0]);
    if ('fieldMapping' in rule)
      expect(await dropped(cached, () => own.save(Member, { id: 2, email: 'new' }))).toEqual([2]);
  });

  it('knows the entity by its table, and watched columns by theirs, where it calls them otherwise', async () => {
    const cached = await api({ ...BY_ID, watchFields: ['email'] });
    const manager = managerOf(await worker(Person, Unrelated));
    await manager.save(Person, [{ mail: 'a' }, { mail: 'b' }]);
    expect(await dropped(cached, () => manager.save(Person, { id: 2, mail: 'n' }))).toEqual([2]);
    expect(await dropped(cached, () => manager.save(Person, { id: 1, visits: 3 }))).toEqual([]);
    expect(await dropped(cached, () => manager.save(manager.create(Unrelated, { email: 'u' })))).toEqual([]);
  });

  it('learns rules that another process adds, and invalidates its earlier writes for them', async () => {
    const early = await worker();
    const manager = await seed(early);
    const cached = await api(BY_ID);
    expect(await dropped(cached, () => manager.save(Member, { id: 1, email: 'unheard' }))).toEqual([]);
    await hear(early);
    const find = cached[0].cache.for(cached[1], 'find');
    expect(await find.getCacheOnly(1)).toBe(CACHE_MISSING);
    expect(await dropped(cached, () => manager.save(Member, { id: 1, email: 'heard' }))).toEqual([1]);
    // A transaction that was open when it heard is over by now.
    for (const id of [1, 2]) await find.get(id);
    early.clock.advance(60_000);
    await settled();
    expect(await find.getCacheOnly(2)).toBe(CACHE_MISSING);
  });

  it('invalidates writes from before it learned the rules, even if it ends soon after', async () => {
    const early = await worker();
    await seed(early);
    const cached = await api(BY_ID);
    await hear(early);
    expect(await dropped(cached, () => early.close())).toEqual([1, 2, 3]);
    apps.splice(apps.indexOf(early), 1);
  });

  it('goes by the rules of every build: those of the old one, of the new one, and of one that has ended', async () => {
    const old = await api({ ...BY_ID, watchFields: ['email'] });
    const recent = await api({ ...BY_ID, watchFields: ['visits'] });
    const manager = await seed(await worker());
    expect(await dropped(recent, () => manager.save(Member, { id: 1, email: 'n' }))).toEqual([1]);
    expect(await dropped(old, () => manager.save(Member, { id: 2, visits: 9 }))).toEqual([2]);
    await old[0].close();
    apps.splice(apps.indexOf(old[0]), 1);
    const late = managerOf(await worker());
    await late.save(Member, [{ email: 'a' }, { email: 'b' }]);
    expect(await dropped(recent, () => late.save(Member, { id: 1, email: 'z' }))).toEqual([1]);
  });

  it('needs no other process to run: what is left in the store is dropped', async () => {
    const ended = await api(BY_ID);
    const find = ended[0].cache.for(ended[1], 'find');
    for (const id of [1, 2]) await find.get(id);
    await ended[0].close();
    apps.length = 0;
    await managerOf(await worker()).save(Member, { id: 2, email: 'new' });
    const again = await api(BY_ID);
    const values = [1, 2].map((id) => again[0].cache.for(again[1], 'find').getCacheOnly(id));
    expect(await Promise.all(values)).toEqual(['member 1', CACHE_MISSING]);
  });

  it('forgets a rule that no process has, after the last entry under it has expired', async () => {
    const old = await api({ scope: 'all' });
    const [survivor, provider] = await api(BY_ID);
    const early = await worker();
    const manager = await seed(early);
    await old[0].close();
    apps.splice(apps.indexOf(old[0]), 1);
    expect(await dropped([survivor, provider], () => manager.save(Member, { id: 1, email: 'n' }))).toEqual([
      1, 2, 3,
    ]);
    const pass = async (minutes: number): Promise<void> => {
      for (let passed = 0; passed < minutes; passed += 5) {
        for (const app of [survivor, early]) app.clock.advance(5 * 60_000 - 1_000);
        await hear(survivor, early);
      }
    };
    const write = (email: string) => () => manager.save(Member, { id: 1, email });
    // Entries live for an hour. The rule that somebody still has is told again and again.
    await pass(55);
    expect(await dropped([survivor, provider], write('m'))).toEqual([1, 2, 3]);
    await pass(25);
    expect(await dropped([survivor, provider], write('l'))).toEqual([1]);
  });

  it('invalidates its writes from a store outage that began before its start', async () => {
    const cached = await api(BY_ID);
    const find = cached[0].cache.for(cached[1], 'find');
    await find.get(1);
    store.isDown = true;
    const late = await worker();
    await seed(late);
    store.isDown = false;
    expect(await find.getCacheOnly(1)).toBe('member 1');
    await hear(late);
    expect(await find.getCacheOnly(1)).toBe(CACHE_MISSING);
    expect(await dropped(cached, () => managerOf(late).save(Member, { id: 2, email: 'n' }))).toEqual([2]);
  });

  it('drops everything if it ends before it could read the rules of others', async () => {
    const cached = await api(BY_ID);
    await cached[0].cache.for(cached[1], 'find').get(1);
    store.isDown = true;
    const late = await worker();
    await seed(late);
    store.isDown = false;
    apps.splice(apps.indexOf(late), 1);
    await late.close();
    expect(await cached[0].cache.for(cached[1], 'find').getCacheOnly(1)).toBe(CACHE_MISSING);
  });

  it.each([
    ['no manifest', () => 'garbage', /the stored value is not a rule manifest of this version/],
    [
      'a rule that is none',
      (stored: { rules: unknown[] }) => ({
        ...stored,
        rules: [...stored.rules, { rule: { method: 7 }, stays: 9e15 }],
      }),
      /the manifest contains \{"rule"/,
    ],
  ])('ignores and logs an invalid manifest, and drops everything once: %s', async (_, spoil, said) => {
    const cached = await api(BY_ID);
    const tag = 'fleet:g:rules';
    const stamp = (await store.stamp([tag])) as Stamp;
    const query = {
      key: `${tag}:2:${stamp.generations[0]!.hard}`,
      values: {
        encode: (data: unknown) => ({ data, flags: 0, size: 1 }),
        decode: ({ data }: { data: unknown }) => data,
      },
      tags: () => [],
    };
    const entry = (await store.get(query)) as Entry;
    await store.set(query, entry.with(spoil(entry.value as never)));
    await cached[0].cache.for(cached[1], 'find').get(1);
    const late = await worker();
    expect(late.log.warnings.filter((line) => said.test(line))).toHaveLength(1);
    expect(await cached[0].cache.for(cached[1], 'find').getCacheOnly(1)).toBe(CACHE_MISSING);
    await hear(cached[0], late);
    const manager = await seed(late);
    expect(await dropped(cached, () => manager.save(Member, { id: 2, email: 'n' }))).toEqual([2]);
    const last = await worker();
    expect(last.log.warnings).toEqual([]);
  });

  it('finds entities of rules in any of its DataSources', async () => {
    const cached = await api(BY_ID);
    const database = { type: 'sqljs', synchronize: true, autoSave: false } as const;
    const app = await TestApplication.start([], { store, namespace: 'fleet' }, [
      TypeOrmModule.forRoot({ ...database, entities: [Unrelated] }),
      TypeOrmModule.forRoot({ ...database, name: 'second', entities: [Person] }),
      TypeOrmModule.forRoot({ ...database, name: 'third', entities: [Member] }),
    ]);
    apps.push(app);
    const [second, third] = ['second', 'third'].map(
      (name) => app.module.get<DataSource>(getDataSourceToken(name), { strict: false }).manager,
    ) as [EntityManager, EntityManager];
    await managerOf(app).save(Unrelated, { id: 1, email: 'u' });
    expect(await dropped(cached, () => second.save(Person, { id: 1, mail: 'a' }))).toEqual([1]);
    expect(await dropped(cached, () => third.save(Member, { id: 2, email: 'b' }))).toEqual([2]);
    expect(await dropped(cached, () => managerOf(app).save(Unrelated, { id: 1, email: 'v' }))).toEqual([]);
  });

  describe('that is a script outside of Nest', () => {
    let dataSource: DataSource;
    beforeEach(async () => {
      dataSource = new DataSource({ type: 'sqljs', synchronize: true, autoSave: false, entities: [Member] });
      await dataSource.initialize();
      // As though it were of another process: applications watch every DataSource of theirs.
      new ProcessDataSources(false).own(dataSource as unknown as OrmDataSource);
    });
    afterEach(() => dataSource.destroy());

    it('needs no classes once it is ready', async () => {
      const cached = await api(BY_ID);
      const script = attachInvalidation(dataSource, { store, namespace: 'fleet' });
      await script.ready;
      expect(await dropped(cached, () => dataSource.manager.save(Member, { id: 2, email: 'b' }))).toEqual([
        2,
      ]);
      await script.detach();
      expect(await dropped(cached, () => dataSource.manager.save(Member, { id: 2, email: 'c' }))).toEqual([]);
    });

    it('logs that it needs the store of the application', async () => {
      const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      await attachInvalidation(dataSource, { classes: [members(BY_ID)] }).detach();
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/without a store.*\{ store, namespace \}/)]]);
    });

    it('drops everything where it never was', async () => {
      const cached = await api(BY_ID);
      const written = await dropped(cached, async () => {
        store.isDown = true;
        const script = attachInvalidation(dataSource, { store, namespace: 'fleet' });
        await script.ready;
        await dataSource.manager.save(Member, { id: 2, email: 'b' });
        store.isDown = false;
        await script.detach();
        await settled();
      });
      expect(written).toEqual([1, 2, 3]);
    });

    it('does not publish its own rules', async () => {
      const script = attachInvalidation(dataSource, {
        store,
        namespace: 'fleet',
        classes: [members({ scope: 'all' })],
      });
      await script.ready;
      await script.detach();
      const cached = await api(BY_ID);
      const manager = await seed(await worker());
      expect(await dropped(cached, () => manager.save(Member, { id: 2, email: 'n' }))).toEqual([2]);
    });
  });

  it('has nothing to do with a store in memory', async () => {
    const advance = jest.spyOn(SharedMemory.prototype, 'stamp');
    const app = await TestApplication.start([members(BY_ID)], {}, [
      TypeOrmModule.forRoot({ type: 'sqljs', synchronize: true, autoSave: false, entities: [Member] }),
    ]);
    apps.push(app);
    expect(advance).not.toHaveBeenCalled();
  });
});
