import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Param, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  Entity,
  ManyToMany,
  ManyToOne,
  PrimaryGeneratedColumn,
  ViewColumn,
  ViewEntity,
} from 'typeorm';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  invalidates,
  KeyConstructor,
  QueryParamsKeyField,
  type InvalidatesOn,
  type InvalidationRuleOptions,
} from '../../lib/index.js';
import { nearestNames } from '../../lib/common/messages.js';
import { TestApplication } from '../support/application.js';
import {
  Article as Shelved,
  Author,
  Category,
  Comment,
  Media,
  Photo,
  Tag as Label,
} from '../typeorm/entities.js';

@Entity()
class Team {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
}

@Entity()
class Tag {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
}

class Address {
  @Column({ type: 'varchar' }) city!: string;
}

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) email!: string;
  @Column({ type: 'simple-enum', enum: ['active', 'blocked'] }) status!: string;
  @Column({ type: 'varchar', nullable: true }) nickname!: string | null;
  @Column({ type: 'simple-json', nullable: true }) settings!: { theme: string } | null;
  @Column(() => Address) address!: Address;
  @ManyToOne(() => Team, { nullable: true }) team!: Team | null;
  @ManyToMany(() => Tag) tags!: Tag[];
}

@ViewEntity({ expression: 'SELECT id, email FROM user' })
class UserLine {
  @ViewColumn() id!: number;
  @ViewColumn() email!: string;
}

type Options = Partial<Omit<InvalidationRuleOptions, 'entity'>>;

let app: TestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

const database = (entities: Function[]): ReturnType<typeof TypeOrmModule.forRoot> =>
  TypeOrmModule.forRoot({ type: 'sqljs', synchronize: true, autoSave: false, entities });

async function boot(
  owner: Type,
  entities: Function[] = [User, Team, Tag, UserLine],
  controllers: Type[] = [],
): Promise<readonly string[]> {
  const imports = [database(entities), ...(controllers.length > 0 ? [{ module: owner, controllers }] : [])];
  app = await TestApplication.start(controllers.length > 0 ? [] : [owner], { dataSources: 'auto' }, imports);
  expect(app.cache.status().advice).toEqual(app.log.warnings);
  return app.log.warnings;
}

/** What the boot says of one rule on a method with the partition `user`. */
async function advised(
  rule: Options,
  entity: Function = User,
  entities?: Function[],
): Promise<readonly string[]> {
  class Users {
    @CacheResult({
      keyConstructor: { user: new ArgsKeyField('user', { partition: true }) },
      invalidatesOn: [invalidates(entity as typeof User, rule as never)] as InvalidatesOn[],
    })
    async find(user: number): Promise<number> {
      return user;
    }
  }
  return boot(Users, entities);
}

const BY_ID = { fieldMapping: { user: 'id' } } as unknown as Options;
const mapped = (path: string): Options => ({ fieldMapping: { user: path } }) as unknown as Options;
const watching = (...paths: string[]): Options => ({ ...BY_ID, watchFields: paths as never });

describe('the boot warns of a rule', () => {
  it.each<[string, Options, RegExp]>([
    [
      'maps a path that the entity has not',
      mapped('emial'),
      /Users\.find on User maps 'user' from 'emial'.*'email'/,
    ],
    [
      'maps a path that a related entity has not',
      mapped('team.nmae'),
      /'team\.nmae'.*User does not have.*drops all entries/,
    ],
    ['maps a path that is like no other', mapped('zzzzzzzz'), /It has id, email, status/],
    ['maps a path beyond a list of rows', mapped('tags.name'), /crosses a list.*scope: 'all'/],
    ['watches a field that is no column', watching('emial'), /watches 'emial'.*Did you mean 'email'\?/],
    ['watches a column of another entity', watching('team.name'), /'team\.name'.*Watch 'team'.*rule on Team/],
    ['watches nothing', watching(), /empty watchFields/],
    ['asks for a path that is not there', { ...BY_ID, invalidateWhen: { stauts: 1 } }, /'stauts'.*'status'/],
    ['asks for one of none', { ...BY_ID, invalidateWhen: { status: [] } }, /never fire.*empty list/],
    [
      'asks for what it excludes',
      { ...BY_ID, invalidateWhen: { status: 'active', '!status': ['active', 'blocked'] } },
      /never fire.*'status' to be a value that its '!status' excludes/,
    ],
    [
      'asks an enum for another value',
      { ...BY_ID, invalidateWhen: { status: 'gone' } },
      /gone.*active, blocked/,
    ],
    [
      'asks a column for null that has none',
      { ...BY_ID, invalidateWhen: { email: null } },
      /cannot have \(null\)/,
    ],
    [
      'requires a field that it does not map',
      { ...BY_ID, requireArgs: ['usre'] },
      /'usre' in requireArgs.*no change is skipped.*Write one of 'user'/,
    ],
  ])('that %s', async (_, rule, message) => {
    const advice = await advised(rule);
    expect(advice).toHaveLength(1);
    expect(advice[0]).toMatch(message);
  });

  it('on a database view, which nothing is written to', async () => {
    const advice = await advised({ scope: 'all' }, UserLine);
    expect(advice).toEqual([
      expect.stringMatching(/Users\.find on UserLine can never fire: the entity is a view/),
    ]);
  });
});

describe('the boot says nothing of a rule that', () => {
  it.each<[string, Options]>([
    ['maps a column', BY_ID],
    ['maps a column of a related row', mapped('team.name')],
    ['maps a relation', mapped('team')],
    ['maps into an embedded', mapped('address.city')],
    ['maps into JSON', mapped('settings.theme')],
    ['is a function', { fieldMapping: (() => ({ user: 1 })) as never }],
    [
      'watches columns, relations and embeddeds',
      watching('email', 'team', 'team.id', 'tags', 'address', 'settings'),
    ],
    ['asks for what may be', { ...BY_ID, invalidateWhen: { status: ['gone', 'active'], nickname: null } }],
    [
      'excludes some of what it asks for',
      { ...BY_ID, invalidateWhen: { status: 'active', '!status': 'blocked' } },
    ],
    ['asks a related row for null', { ...BY_ID, invalidateWhen: { 'team.name': null } }],
    ['requires what it maps', { ...BY_ID, requireArgs: ['user'] }],
  ])('%s', async (_, rule) => {
    expect(await advised(rule)).toEqual([]);
  });

  it('watches a column of a child entity in the same table', async () => {
    const all = [Media, Photo, Shelved, Author, Category, Comment, Label];
    expect(await advised({ ...BY_ID, watchFields: ['width'] as never }, Media, all)).toEqual([]);
    await app!.close();
    expect(await advised({ ...BY_ID, watchFields: ['width', 'file'] as never }, Photo, all)).toEqual([]);
  });
});

describe('the boot warns of a partition', () => {
  class ByTenant extends KeyConstructor {
    user = new ArgsKeyField('user', { partition: true });
    tenant = new ArgsKeyField('tenant', { partition: true });
  }
  const withRule = (rule: InvalidatesOn): Type => {
    class Users {
      @CacheResult({ keyConstructor: ByTenant, invalidatesOn: [rule] })
      async find(user: number, tenant: number): Promise<number[]> {
        return [user, tenant];
      }
    }
    return Users;
  };

  it('that no rule drops by', async () => {
    const advice = await boot(withRule(invalidates(User, { fieldMapping: { user: 'id' } })));
    expect(advice).toEqual([expect.stringMatching(/No rule of Users\.find drops by its partition 'tenant'/)]);
  });

  it('but not where a rule drops everything, or computes what it drops', async () => {
    expect(await boot(withRule(User))).toEqual([]);
    await app!.close();
    expect(await boot(withRule(invalidates(User, { fieldMapping: () => ({ user: 1 }) })))).toEqual([]);
    await app!.close();
    expect(await boot(withRule(invalidates(User, { invalidator: () => undefined })))).toEqual([]);
  });

  it('of a handler where its key is declared, and not where route parameters are partitions by default', async () => {
    @Controller('users/:team')
    class ByRoute {
      @Get(':id')
      @CacheResponse({ invalidatesOn: [invalidates(User, { fieldMapping: { id: 'id' } })] })
      async find(@Param('team') team: string, @Param('id') id: string): Promise<string[]> {
        return [team, id];
      }

      @Get()
      @CacheResponse({
        keyConstructor: {
          team: new ArgsKeyField('team', { partition: true }),
          page: new QueryParamsKeyField('page', { partition: true }),
        },
        invalidatesOn: [invalidates(User, { fieldMapping: { team: 'team.id' } })],
      })
      async list(@Param('team') team: string): Promise<string> {
        return team;
      }
    }
    class Api {}
    const advice = await boot(Api, undefined, [ByRoute]);
    expect(advice).toEqual([expect.stringMatching(/No rule of ByRoute\.list drops by its partition 'page'/)]);
  });
});

describe('nearestNames', () => {
  it('lists at most three names, the nearest first, and no name that is too different', () => {
    const known = ['name', 'names', 'nam', 'mane', 'address'];
    expect(nearestNames('nmae', known)[0]).toBe('name');
    expect(nearestNames('name', known)).toEqual(['name', 'names', 'nam']);
    expect(nearestNames('xyzxyz', known)).toEqual([]);
  });
});
