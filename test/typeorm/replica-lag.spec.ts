import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  DataSource,
  Entity,
  PrimaryGeneratedColumn,
  type DataSourceOptions,
  type Repository,
} from 'typeorm';
import {
  attachInvalidation,
  CacheResult,
  invalidates,
  memoryStore,
  RestflowCacheModule,
} from '../../lib/index.js';
import { ManualClock } from '../support/manual-clock.js';

@Entity()
class Price {
  @PrimaryGeneratedColumn() id!: number;
  @Column() amount!: number;
}

/** What a replica answers: what was written, once the test says that it has come. */
const replica = { amount: 0 };

@Injectable()
class Prices {
  @CacheResult({ invalidatesOn: [invalidates(Price, { scope: 'all' })] })
  async first(): Promise<number> {
    return replica.amount;
  }
}

describe('replicaLag', () => {
  const clock = new ManualClock();
  let module: TestingModule;
  afterEach(() => module?.close());

  /** sql.js knows no replication: its options only say that there is some. */
  async function start(replicaLag: '2s' | undefined, replication: object | undefined): Promise<void> {
    replica.amount = 0;
    module = await Test.createTestingModule({
      imports: [
        TypeOrmModule.forRoot({ type: 'sqljs', entities: [Price], synchronize: true, replication } as object),
        RestflowCacheModule.forRoot({ replicaLag, clock }),
      ],
      providers: [Prices],
    }).compile();
    await module.init();
  }
  const read = (): Promise<number> => module.get(Prices).first();
  const prices = (): Repository<Price> => module.get(DataSource).getRepository(Price);

  it('drops loads from a replica that did not have the change yet', async () => {
    await start('2s', {});
    await prices().save({ amount: 1 });
    expect(await read()).toBe(0);
    replica.amount = 1;
    clock.advance(1_999);
    expect(await read()).toBe(0);
    clock.advance(1);
    expect(await read()).toBe(1);
  });

  it('is awaited when attachInvalidation() ends', async () => {
    const options = { type: 'sqljs', entities: [Price], synchronize: true, replication: {} };
    const dataSource = await new DataSource(options as object as DataSourceOptions).initialize();
    const store = memoryStore();
    const bump = store.bump.bind(store);
    let bumps = 0;
    store.bump = (...asked) => {
      bumps++;
      return bump(...asked);
    };
    const invalidation = attachInvalidation(dataSource, { store, classes: [Prices], replicaLag: '300ms' });
    await dataSource.manager.save(Price, { amount: 1 });
    await invalidation.detach();
    expect(bumps).toBe(2);
    await dataSource.destroy();
  });

  it('waits again for a row that changes again, and only once', async () => {
    await start('2s', {});
    await prices().save({ amount: 1 });
    clock.advance(1_000);
    await prices().save({ amount: 2 });
    expect(await read()).toBe(0);
    replica.amount = 2;
    clock.advance(1_999);
    expect(await read()).toBe(0);
    clock.advance(1);
    expect(await read()).toBe(2);
    replica.amount = 3;
    clock.advance(10_000);
    expect(await read()).toBe(2);
  });

  it.each([
    ['the DataSource has no replicas', '2s', undefined],
    ['it is not set', undefined, {}],
  ] as const)('invalidates once where %s', async (_case, lag, replication) => {
    await start(lag, replication);
    await prices().save({ amount: 1 });
    expect(await read()).toBe(0);
    replica.amount = 1;
    clock.advance(60_000);
    expect(await read()).toBe(0);
  });
});
