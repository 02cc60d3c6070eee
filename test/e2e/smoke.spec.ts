import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, Param, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  invalidates,
  RestflowCacheModule,
} from '../../lib/index.js';

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

let handled = 0;
let loaded = 0;

@Injectable()
class UsersService {
  constructor(private readonly dataSource: DataSource) {}

  @CacheResult({ ttl: 60, invalidatesOn: [invalidates(User, { scope: 'all' })] })
  async find(id: number): Promise<User | null> {
    loaded++;
    return this.dataSource.getRepository(User).findOneBy({ id });
  }
}
@Controller('users')
class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get(':id')
  @CacheResponse({
    ttl: 60,
    setCacheHeaders: true,
    invalidatesOn: [invalidates(User, { fieldMapping: { id: 'id' } })],
  })
  async find(@Param('id') id: string): Promise<unknown> {
    handled++;
    return { user: await this.users.find(Number(id)) };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'sqljs', entities: [User], synchronize: true }),
    RestflowCacheModule.forRoot(),
  ],
  providers: [UsersService],
  controllers: [UsersController],
})
class AppModule {}

describe.each(['express', 'fastify'])('smoke on %s', (platform) => {
  let app: INestApplication;
  afterEach(() => app.close());
  it('serves a hit and a fresh value after a save', async () => {
    app = await NestFactory.create(
      AppModule,
      platform === 'express' ? new ExpressAdapter() : new FastifyAdapter(),
      {
        abortOnError: false,
        logger: ['error', 'warn'],
      },
    );
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const repository = app.get(DataSource).getRepository(User);
    const user = await repository.save({ name: 'Ada' });
    handled = loaded = 0;
    const read = async () => {
      const response = await fetch(`${url}/users/${user.id}`);
      return [response.status, response.headers.get('x-cache-status'), await response.text()];
    };
    expect(await read()).toEqual([200, 'MISS', '{"user":{"id":1,"name":"Ada"}}']);
    expect(await read()).toEqual([200, 'HIT', '{"user":{"id":1,"name":"Ada"}}']);
    expect([handled, loaded]).toEqual([1, 1]);
    user.name = 'Grace';
    await repository.save(user);
    expect(await read()).toEqual([200, 'MISS', '{"user":{"id":1,"name":"Grace"}}']);
    expect([handled, loaded]).toEqual([2, 2]);
    expect(app.get(CacheService).status().methods).toHaveLength(2);
  });
});
