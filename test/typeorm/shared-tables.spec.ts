import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  DataSource,
  Entity,
  JoinTable,
  ManyToMany,
  PrimaryColumn,
  type EntityManager,
  type ValueTransformer,
} from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, invalidates, type EntityClass } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { connectionOptions, DATABASES, isShared, makeSchema, ownSchema } from '../support/databases.js';
import { SharedMemory } from '../support/shared-memory.js';

@Entity('role')
class Role {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @ManyToMany(() => User, (user) => user.roles) users!: User[];
}

@Entity('account')
class User {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @Column({ type: 'int', default: 0 }) age!: number;
  @Column({ type: 'varchar', nullable: true }) city!: string | null;
  @ManyToMany(() => Role, (role) => role.users)
  @JoinTable({ name: 'user_role', joinColumn: { name: 'user_id' }, inverseJoinColumn: { name: 'role_id' } })
  roles!: Role[];
}

/** The junction as an entity. */
@Entity('user_role')
class UserRole {
  @PrimaryColumn({ type: 'int', name: 'user_id' }) user!: number;
  @PrimaryColumn({ type: 'int', name: 'role_id' }) role!: number;
}

const reversed: ValueTransformer = {
  to: (text: string | null) => text && [...text].reverse().join(''),
  from: (text: string | null) => text && [...text].reverse().join(''),
};

/** Another class of the users' table. `name` is another column here, and `town` is written in another form. */
@Entity('account')
class AdminUser {
  @PrimaryColumn({ type: 'int', name: 'id' }) key!: number;
  @Column({ type: 'varchar', name: 'name' }) label!: string;
  @Column({ type: 'int', name: 'age', default: 0 }) name!: number;
  @Column({ type: 'varchar', name: 'city', nullable: true, transformer: reversed }) town!: string | null;
}

const by = (argument: string) => ({ [argument]: new ArgsKeyField(argument, { partition: true }) });

@Injectable()
class Users {
  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(User, { fieldMapping: { id: 'id' } })],
  })
  async user(id: number): Promise<string> {
    return `user ${id}`;
  }

  @CacheResult({
    keyConstructor: by('city'),
    invalidatesOn: [invalidates(User, { fieldMapping: { city: 'city' } })],
  })
  async inCity(city: string): Promise<string> {
    return `in ${city}`;
  }

  @CacheResult({
    keyConstructor: by('city'),
    invalidatesOn: [invalidates(User, { fieldMapping: ({ city }) => ({ city }) })],
  })
  async computed(city: string): Promise<string> {
    return `in ${city}`;
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(User, { scope: 'all', watchFields: ['name'] })],
  })
  async names(): Promise<string> {
    return 'names';
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(User, { scope: 'all', invalidateWhen: { name: 'Ada' } })],
  })
  async ada(): Promise<string> {
    return 'Ada';
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(User, { scope: 'all', watchFields: ['roles'] })],
  })
  async granted(): Promise<string> {
    return 'granted';
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Role, { fieldMapping: { id: 'id' } })],
  })
  async role(id: number): Promise<string> {
    return `role ${id}`;
  }
}

@Injectable()
class Links {
  @CacheResult({
    keyConstructor: by('user'),
    invalidatesOn: [invalidates(UserRole, { fieldMapping: { user: 'user' } })],
  })
  async of(user: number): Promise<string> {
    return `links of ${user}`;
  }
}

const CALLS: readonly (readonly [Type, string, ...unknown[]])[] = [
  ...[1, 2, 3, 4].map((id) => [Users, 'user', id] as const),
  ...['Bern', 'Oslo', 'Rome'].map((city) => [Users, 'inCity', city] as const),
  ...['Bern', 'Oslo', 'Rome'].map((city) => [Users, 'computed', city] as const),
  [Users, 'names'],
  [Users, 'ada'],
  [Users, 'granted'],
  ...[1, 2, 3].map((id) => [Users, 'role', id] as const),
  ...[1, 2, 3].map((user) => [Links, 'of', user] as const),
];
const nameOf = ([, method, ...args]: (typeof CALLS)[number]): string => [method, ...args].join(':');
const ROW_1 = 'user:1 inCity:Bern computed:Bern';
/** All that may read the links of users. */
const LINKS = 'user:* granted role:* of:*';

interface Write {
  readonly name: string;
  readonly entities: EntityClass[];
  readonly run: (manager: EntityManager) => Promise<unknown>;
  /** What must be dropped. */
  readonly drops: string;
  /** Rows are not known: more may be dropped. */
  readonly isBulk?: true;
}

const PIVOT = [UserRole];
const WRITES: readonly Write[] = [
  {
    name: 'save() of a new row of the junction entity',
    entities: PIVOT,
    run: (manager) => manager.save(UserRole, { user: 1, role: 2 }),
    drops: 'user:1 inCity:* computed:* ada granted role:2 of:1',
  },
  {
    name: 'insert() of a row of the junction entity',
    entities: PIVOT,
    run: (manager) => manager.insert(UserRole, { user: 1, role: 2 }),
    drops: 'user:1 inCity:* computed:* ada granted role:2 of:1',
  },
  {
    name: 'remove() of a row of the junction entity',
    entities: PIVOT,
    run: async (manager) => manager.remove(await manager.findOneByOrFail(UserRole, { user: 1, role: 1 })),
    drops: 'user:1 inCity:* computed:* ada granted role:1 of:1',
  },
  {
    name: 'delete(criteria) of the junction entity',
    entities: PIVOT,
    run: (manager) => manager.delete(UserRole, { role: 1 }),
    drops: 'user:1 granted role:1 of:1',
    isBulk: true,
  },
  {
    name: 'update(criteria) of the junction entity',
    entities: PIVOT,
    run: (manager) => manager.update(UserRole, { user: 1, role: 1 }, { role: 2 }),
    drops: 'user:1 granted role:1 role:2 of:1',
    isBulk: true,
  },
  {
    name: 'raw SQL into the junction',
    entities: [],
    run: (manager) => manager.query('INSERT INTO user_role (user_id, role_id) VALUES (1, 2)'),
    drops: LINKS,
    isBulk: true,
  },
  {
    name: 'save() of a part of a user with its roles',
    entities: [User, Role],
    run: (manager) => manager.save(User, { id: 1, roles: [{ id: 2 }] }),
    drops: 'user:1 inCity:* computed:* ada granted role:1 role:2 of:1',
  },
  {
    name: 'relation().add()',
    entities: [User, Role],
    run: (manager) => manager.createQueryBuilder().relation(User, 'roles').of(1).add(2),
    drops: 'user:1 inCity:* computed:* ada granted role:2 of:1',
  },
  {
    name: 'save() by the other class of a column under another name',
    entities: [AdminUser],
    run: (manager) => manager.save(AdminUser, { key: 1, label: 'Eve' }),
    drops: 'user:1 inCity:* computed:* names ada',
  },
  {
    name: 'save() by the other class of a column that has the name of another one',
    entities: [AdminUser],
    run: (manager) => manager.save(AdminUser, { key: 2, name: 5 }),
    drops: 'user:2 inCity:* computed:*',
  },
  {
    name: 'save() by the other class of a column that it writes in another form',
    entities: [AdminUser],
    run: (manager) => manager.save(AdminUser, { key: 3, town: 'Bern' }),
    drops: 'user:3 inCity:* computed:*',
  },
  {
    name: 'insert() by the other class',
    entities: [AdminUser],
    run: (manager) => manager.insert(AdminUser, { key: 4, label: 'Dan' }),
    drops: 'user:4 names',
    isBulk: true,
  },
  {
    name: 'update(criteria) by the other class',
    entities: [AdminUser],
    run: (manager) => manager.update(AdminUser, { label: 'Ada' }, { label: 'Bob' }),
    drops: 'user:1 names ada',
    isBulk: true,
  },
  {
    name: 'delete(criteria) by the other class',
    entities: [AdminUser],
    run: (manager) => manager.delete(AdminUser, { label: 'Ada' }),
    drops: `${ROW_1} names ada`,
    isBulk: true,
  },
  {
    name: 'raw SQL on the table',
    entities: [],
    run: (manager) => manager.query("UPDATE account SET name = 'Bob' WHERE id = 1"),
    drops: `${ROW_1} names ada`,
    isBulk: true,
  },
];

const EVERYTHING = [User, Role, UserRole, AdminUser];
/** What writers know of the tables. */
const KNOWN: readonly (readonly [name: string, entities: Function[]])[] = [
  ['nothing', []],
  ['junction', [UserRole]],
  ['users and roles', [User, Role]],
  ['the other class', [AdminUser]],
];
const knownTo = ({ entities }: Write): string =>
  KNOWN.find(([, known]) => known.length === entities.length && known[0] === entities[0])![0];

const RULES = [
  { rules: 'with a rule on the junction', providers: [Users, Links], writes: WRITES },
  {
    rules: 'without a rule on the junction',
    providers: [Users],
    writes: WRITES.filter(({ name }) => /junction|roles|relation/.test(name)),
  },
];

describe.each(DATABASES)('entities that share a table on %s', (database) => {
  describe.each(RULES)('$rules', ({ providers, writes }) => {
    const schema = ownSchema('shared_tables');
    const store = new SharedMemory();
    const calls = CALLS.filter(([provider]) => providers.includes(provider as never));
    const workers = new Map<string, TestApplication>();
    let app: TestApplication;
    let admin: DataSource;

    const connection = (name: string, entities: Function[]) =>
      TypeOrmModule.forRoot({ ...options(entities), name } as never);
    const options = (entities: Function[]) => ({
      ...connectionOptions(database, schema),
      entities,
      synchronize: isShared(database),
      poolSize: 2,
      ...(database === 'PostgreSQL' && { extra: { options: `-c search_path=${schema}` } }),
    });
    const start = (of: Type[], ...connections: ReturnType<typeof connection>[]) =>
      TestApplication.start(of, { store, namespace: 'shared' }, connections);

    beforeAll(async () => {
      await makeSchema(database, schema, { empty: true });
      admin = await new DataSource({ ...options(EVERYTHING), synchronize: true } as never).initialize();
      const others = isShared(database) ? [] : KNOWN.map(([name, entities]) => connection(name, entities));
      app = await start(providers, connection('default', EVERYTHING), ...others);
    });
    afterAll(async () => {
      for (const one of [app, ...workers.values()]) await one?.close();
      await admin?.destroy();
    });

    async function workerOf(write: Write): Promise<DataSource> {
      const known = knownTo(write);
      const worker = workers.get(known) ?? (await start([], connection('default', write.entities)));
      workers.set(known, worker);
      return worker.get(DataSource);
    }

    /** Three users, one of whom has a role. In memory every DataSource has a database of its own. */
    async function seed(dataSource: DataSource): Promise<void> {
      const knows = (entity: Function) => dataSource.hasMetadata(entity);
      const tables = ['user_role', 'account', 'role'].filter((table) =>
        dataSource.entityMetadatas.some(({ tableName }) => tableName === table),
      );
      for (const table of tables) await dataSource.query(`DELETE FROM ${dataSource.driver.escape(table)}`);
      if (knows(User)) {
        await dataSource.manager.insert(User, { id: 1, name: 'Ada', age: 1, city: 'Bern' });
        await dataSource.manager.insert(User, { id: 2, name: 'Bob', age: 2, city: 'Oslo' });
        await dataSource.manager.insert(User, { id: 3, name: 'Cid', age: 3, city: 'Rome' });
        await dataSource.manager.insert(
          Role,
          [1, 2].map((id) => ({ id, name: `role ${id}` })),
        );
      } else if (knows(AdminUser)) {
        await dataSource.manager.insert(AdminUser, { key: 1, label: 'Ada', name: 1, town: 'Bern' });
        await dataSource.manager.insert(AdminUser, { key: 2, label: 'Bob', name: 2, town: 'Oslo' });
        await dataSource.manager.insert(AdminUser, { key: 3, label: 'Cid', name: 3, town: 'Rome' });
      }
      if (knows(UserRole)) await dataSource.manager.insert(UserRole, { user: 1, role: 1 });
      else if (knows(User)) await dataSource.createQueryBuilder().relation(User, 'roles').of(1).add(1);
    }

    /** The entries that a write drops, all of which were cached before. */
    async function dropped(write: Write, manager: EntityManager): Promise<string[]> {
      const cached = calls.map(([provider, method, ...args]) => ({
        name: nameOf([provider, method, ...args]),
        of: app.cache.for(provider as Type<Users>, method as 'user'),
        args: args as [number],
      }));
      for (const { of, args } of cached) await of.get(...args);
      await write.run(manager);
      const names: string[] = [];
      for (const { name, of, args } of cached)
        if ((await of.getCacheOnly(...args)) === CACHE_MISSING) names.push(name);
      return names;
    }

    async function judge(write: Write, manager: EntityManager, isExact: boolean): Promise<void> {
      const names = await dropped(write, manager);
      const words = write.drops.split(' ');
      const expected = calls
        .map(nameOf)
        .filter((name) => words.includes(name) || words.includes(`${name.split(':')[0]}:*`));
      if (isExact && write.isBulk !== true) expect(names).toEqual(expected);
      else expect(names).toEqual(expect.arrayContaining(expected));
      expect(app.log.errors).toEqual([]);
    }

    // Old rows that a save() read in the second after a bulk statement are not trusted: those statements come last.
    const ordered = [...writes].sort(
      (one, other) => Number(one.isBulk ?? false) - Number(other.isBulk ?? false),
    );
    const each = ordered.map((write) => [write.name, write] as const);

    test.each(each)('in one DataSource: %s', async (_, write) => {
      const dataSource = app.get(DataSource);
      await seed(isShared(database) ? dataSource : admin);
      // Old rows that were read beside the writes of the seed would not be trusted.
      await judge(write, dataSource.manager, !isShared(database));
    });

    test.each(each)('by another process that knows only the classes of the writer: %s', async (_, write) => {
      if (isShared(database) && write.entities.length === 0) return;
      const dataSource = await workerOf(write);
      await seed(isShared(database) ? dataSource : admin);
      // Functions of rules are not known to other processes.
      await judge(write, dataSource.manager, false);
    });

    if (!isShared(database))
      test.each(each)(
        'by another DataSource of the application that knows only the classes of the writer: %s',
        async (_, write) => {
          await seed(admin);
          const dataSource = app.module.get<DataSource>(getDataSourceToken(knownTo(write)));
          await judge(write, dataSource.manager, true);
        },
      );
  });
});
