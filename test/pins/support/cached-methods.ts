import 'reflect-metadata';
import { IsEmail } from 'class-validator';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  ConstantKeyField,
  DtoKeyField,
  EntityKeyField,
  inlineKeyConstructor,
  KeyConstructor,
  KeyField,
  type KeySource,
} from '../../../lib/index.js';

@Entity()
export class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ length: 80, nullable: true }) name!: string;
}

class AuthorDto {
  @IsEmail() email!: string;
}

class SecondArgument extends KeyField {
  override read({ args }: KeySource): unknown {
    return args[1];
  }
}

export class UserKey extends KeyConstructor {
  static readonly meta = { version: 2, namespace: 'users' };
  user = new ArgsKeyField('user', { partition: true });
  page = new ArgsKeyField('page');
}

const PER_TENANT = inlineKeyConstructor({
  partitions: [['tenant', 'user']],
  fields: {
    tenant: new ArgsKeyField('tenant', { partition: true }),
    user: new ArgsKeyField('user', { partition: true }),
    team: new ArgsKeyField('team', { partition: true }),
  },
});

const one = (..._arguments: unknown[]): number => 1;

/** Methods whose keys are pinned. */
export class Methods {
  @CacheResult() async all(...values: unknown[]): Promise<number> {
    return one(values);
  }
  @CacheResult() async two(id: number, options?: object): Promise<number> {
    return one(id, options);
  }
  @CacheResult({ name: 'a name: ünïcode' }) async named(id: number): Promise<number> {
    return one(id);
  }
  @CacheResult({ tags: ['articles', 'a b:c', 'é'.repeat(100)] }) async tagged(): Promise<number> {
    return one();
  }
  @CacheResult({ tags: (id: number) => [`article:${id}`] }) async taggedByArguments(
    id: number,
  ): Promise<number> {
    return one(id);
  }
  @CacheResult({ keyConstructor: UserKey }) async ofUser(user: unknown, page: unknown): Promise<number> {
    return one(user, page);
  }
  @CacheResult({ keyConstructor: PER_TENANT }) async ofTenant(
    tenant: unknown,
    user: unknown,
    team: unknown,
  ): Promise<number> {
    return one(tenant, user, team);
  }
  @CacheResult({ keyConstructor: { args: new ArgsKeyField(['id', 'page']) } }) async some(
    id: unknown,
    page: unknown,
    signal?: unknown,
  ): Promise<number> {
    return one(id, page, signal);
  }
  @CacheResult({ keyConstructor: { args: new ArgsKeyField('*', { except: ['signal'] }) } })
  async except(id: unknown, signal?: unknown): Promise<number> {
    return one(id, signal);
  }
  @CacheResult({ keyConstructor: { author: new ArgsKeyField(0, { path: 'author.id', partition: true }) } })
  async path(article: object): Promise<number> {
    return one(article);
  }
  @CacheResult({
    keyConstructor: { name: new ArgsKeyField('name', { normalizer: (name: string) => name.trim() }) },
  })
  async normalised(name: string): Promise<number> {
    return one(name);
  }
  @CacheResult({ keyConstructor: { ids: new ArgsKeyField('ids', { sortLists: true }) } })
  async sorted(ids: number[]): Promise<number> {
    return one(ids);
  }
  @CacheResult({ keyConstructor: { token: new ArgsKeyField('token', { hashValue: true, partition: true }) } })
  async hashed(token: string): Promise<number> {
    return one(token);
  }
  @CacheResult({ keyConstructor: (id: number, name: string) => [name, { id }] })
  async byFunction(id: number, name: string): Promise<number> {
    return one(id, name);
  }
  @CacheResult({ keyConstructor: { second: new SecondArgument() } })
  async ownField(first: unknown, second: unknown): Promise<number> {
    return one(first, second);
  }
  @CacheResult({ keyConstructor: { region: new ConstantKeyField('region', 'eu', { partition: true }) } })
  async constant(): Promise<number> {
    return one();
  }
  @CacheResult({ keyConstructor: { shape: new DtoKeyField(AuthorDto) } }) async dto(): Promise<number> {
    return one();
  }
  @CacheResult({ keyConstructor: { shape: new EntityKeyField(Author) } }) async entity(): Promise<number> {
    return one();
  }
  @CacheResult({
    keyConstructor: inlineKeyConstructor({
      keyIdentifier: 'short',
      maxKeySuffixLength: 64,
      version: 'v1',
      fields: { text: new ArgsKeyField('text') },
    }),
  })
  async short(text: string): Promise<number> {
    return one(text);
  }
}
