import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, In, PrimaryColumn } from 'typeorm';
import { CacheConfigurationError, CacheResultMany, invalidates } from '../../lib/index.js';
import type { TestApplication } from '../support/application.js';
import { Gate } from '../support/gate.js';
import { Applications } from '../cache/support/methods.js';

@Entity()
class Member {
  @PrimaryColumn() id!: number;
  @Column() name!: string;
}

@Injectable()
class Members {
  readonly asked: (readonly number[])[] = [];
  beforeEnd: () => Promise<void> = async () => undefined;

  constructor(private readonly dataSource: DataSource) {}

  @CacheResultMany({
    key: 'id',
    ttl: '5m',
    invalidatesOn: [invalidates(Member, { fieldMapping: { id: 'id' } })],
  })
  async findMany(ids: number[], locale = 'en'): Promise<Member[]> {
    this.asked.push(ids);
    const found = await this.dataSource.getRepository(Member).findBy({ id: In(ids) });
    await this.beforeEnd();
    for (const member of found) if (locale !== 'en') member.name += ` (${locale})`;
    return found.reverse();
  }

  @CacheResultMany({ key: 'id' })
  async wrong(ids: number[]): Promise<number> {
    return ids.length;
  }
}

const { start, close } = new Applications();
afterEach(close);

async function startMembers(): Promise<[TestApplication, Members]> {
  const app = await start([Members], {}, [
    TypeOrmModule.forRoot({ type: 'sqljs', entities: [Member], synchronize: true }),
  ]);
  const rows = [1, 2, 3].map((id) => ({ id, name: `m${id}` }));
  await app.get(DataSource).getRepository(Member).save(rows);
  return [app, app.get(Members)];
}

const names = (members: readonly Member[]): string[] => members.map(({ name }) => name);

describe('@CacheResultMany', () => {
  it('loads missing items with one run, and returns items in the order of the ids without those that do not exist', async () => {
    const [, members] = await startMembers();
    expect(names(await members.findMany([3, 1, 9]))).toEqual(['m3', 'm1']);
    expect(names(await members.findMany([1, 2, 3, 2, 9]))).toEqual(['m1', 'm2', 'm3', 'm2']);
    expect(members.asked).toEqual([[3, 1, 9], [2]]);
    expect((await members.findMany([1]))[0]).toBeInstanceOf(Member);
  });

  it('drops an item by the rule of its id, one that did not exist too, and no other', async () => {
    const [app, members] = await startMembers();
    await members.findMany([1, 2, 9]);
    const repository = app.get(DataSource).getRepository(Member);
    await repository.save({ id: 2, name: 'changed' });
    await repository.save({ id: 9, name: 'new' });
    expect(names(await members.findMany([1, 2, 9]))).toEqual(['m1', 'changed', 'new']);
    expect(members.asked).toEqual([
      [1, 2, 9],
      [2, 9],
    ]);
    await app.cache.for(Members, 'findMany').deleteByPrefix({ id: 1 });
    await members.findMany([1, 2]);
    expect(members.asked.at(-1)).toEqual([1]);
  });

  it('does not store an item that changed during the load, and stores the others', async () => {
    const [app, members] = await startMembers();
    const gate = new Gate();
    members.beforeEnd = () => gate.pass();
    const early = members.findMany([1, 2]);
    await gate.reached();
    await app.get(DataSource).getRepository(Member).save({ id: 2, name: 'changed' });
    gate.open();
    expect(names(await early)).toEqual(['m1', 'm2']);
    expect(names(await members.findMany([1, 2]))).toEqual(['m1', 'changed']);
    expect(members.asked).toEqual([[1, 2], [2]]);
  });

  it('keeps other arguments in the key', async () => {
    const [, members] = await startMembers();
    expect(names(await members.findMany([1]))).toEqual(['m1']);
    expect(names(await members.findMany([1], 'de'))).toEqual(['m1 (de)']);
    expect(names(await members.findMany([1], 'de'))).toEqual(['m1 (de)']);
    expect(members.asked).toHaveLength(2);
  });

  it('gives each caller its own copy, and runs uncached on an instance of the user', async () => {
    const [app, members] = await startMembers();
    await members.findMany([1]);
    (await members.findMany([1]))[0]!.name = 'changed by a caller';
    expect(names(await members.findMany([1]))).toEqual(['m1']);
    expect(names(await new Members(app.get(DataSource)).findMany([2, 1]))).toEqual(['m2', 'm1']);
  });

  it('bypasses while the cache is off', async () => {
    const [app, members] = await startMembers();
    app.cache.disable();
    for (let i = 0; i < 2; i++) expect(names(await members.findMany([2, 1]))).toEqual(['m2', 'm1']);
    expect(members.asked).toHaveLength(2);
  });

  it('says what to return and what to write', async () => {
    const [, members] = await startMembers();
    await expect(members.wrong([1])).rejects.toThrow("it returns a list of items, each with its id in 'id'");
    await expect(members.findMany(7 as never)).rejects.toThrow('its first argument is a list of ids');
    expect(() => CacheResultMany({} as never)(Members.prototype, 'findMany', {})).toThrow(
      CacheConfigurationError,
    );
  });
});
