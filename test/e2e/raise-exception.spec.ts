import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm';
import { LogBook } from '../support/application.js';
import {
  CacheResult,
  InvalidationDispatcher,
  InvalidationFailedError,
  invalidates,
  RestflowCacheModule,
  type Dispatcher,
} from '../../lib/index.js';

@Entity()
class Raised {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@InvalidationDispatcher('broken')
class BrokenDispatcher implements Dispatcher {
  dispatch(): Promise<void> {
    return Promise.reject(new Error('no queue'));
  }
}

function appThat(raiseException: boolean): Promise<TestingModule> {
  @Injectable()
  class Names {
    @CacheResult({ invalidatesOn: [invalidates(Raised, { scope: 'all', dispatcher: 'broken' })] })
    async all(): Promise<string[]> {
      return [];
    }
  }
  return Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({ type: 'sqljs', entities: [Raised], synchronize: true }),
      RestflowCacheModule.forRoot({ raiseException, dispatchers: [BrokenDispatcher] }),
    ],
    providers: [Names],
  })
    .setLogger(new LogBook())
    .compile();
}

describe('raiseException', () => {
  let module: TestingModule;
  afterEach(() => module.close());

  async function repository(raiseException: boolean): Promise<Repository<Raised>> {
    module = await appThat(raiseException);
    await module.init();
    return module.get(DataSource).getRepository(Raised);
  }

  it('rejects a write whose invalidation failed, though the row is there', async () => {
    const names = await repository(true);
    const failure = await names.save({ name: 'Ada' }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidationFailedError);
    expect((failure as InvalidationFailedError).cause).toMatchObject({ message: 'no queue' });
    expect(await names.count()).toBe(1);
    await expect(names.update({ name: 'Ada' }, { name: 'Grace' })).rejects.toThrow('no queue');
  });

  it('is off by default: a failure stays in the log', async () => {
    const names = await repository(false);
    await names.save({ name: 'Ada' });
    expect(await names.count()).toBe(1);
  });
});
