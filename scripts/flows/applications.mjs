// The applications that the flows run in. Each answers `warmUp`, `run` (the operation that is measured) and `close`.
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

/** How long an operation may go on behind its answer, in milliseconds. */
const AFTERWARDS = 100;

/** A GET of the resource that was asked for before, or of another. */
export const httpFlow = (platform, isHit) => async (load) => {
  const { CacheResponse, RestflowCacheModule } = await load('index');
  let handled = 0;
  class ArticlesController {
    async find(slug) {
      handled++;
      return { slug, title: `About ${slug}` };
    }
  }
  decorate(ArticlesController, 'find', [CacheResponse('1h'), Get(':slug')]);
  Param('slug')(ArticlesController.prototype, 'find', 0);
  Controller('articles')(ArticlesController);
  class AppModule {}
  Module({ imports: [RestflowCacheModule.forRoot()], controllers: [ArticlesController] })(AppModule);

  const app = await NestFactory.create(AppModule, await adapterOf(platform), quiet);
  await app.listen(0, '127.0.0.1');
  const origin = `http://127.0.0.1:${app.getHttpServer().address().port}`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = (slug) => fetchBody(`${origin}/articles/${slug}`, agent);
  return {
    async warmUp() {
      await get('first');
      await get('first');
      await delay(AFTERWARDS);
    },
    async run() {
      const before = handled;
      await get(isHit ? 'first' : 'second');
      expectEqual(handled - before, isHit ? 0 : 1);
      await delay(AFTERWARDS);
    },
    async close() {
      agent.destroy();
      await app.close();
    },
  };
};

/** A call of a @CacheResult over tiers, memory and Redis: of the value that was asked for before, or of another. */
export const methodFlow =
  (isHit) =>
  async (load, { TEST_REDIS_URL: url }) => {
    const { CacheResult } = await load('index');
    let loads = 0;
    class ArticlesService {
      async find(id) {
        loads++;
        return { id, title: `Article ${id}` };
      }
    }
    decorate(ArticlesService, 'find', [CacheResult('1h')]);
    const { app, close } = await tieredApplication(load, url, [ArticlesService]);
    const service = app.get(ArticlesService);
    return {
      async warmUp() {
        await service.find(1);
        await service.find(1);
        await delay(AFTERWARDS);
      },
      async run() {
        const before = loads;
        await service.find(isHit ? 1 : 2);
        expectEqual(loads - before, isHit ? 0 : 1);
        if (!isHit) await delay(AFTERWARDS);
      },
      close,
    };
  };

/** A save in a transaction that drops what a rule names, until other processes were told over the bus. */
export const saveFlow = async (load, { TEST_REDIS_URL: url }) => {
  const { ArgsKeyField, CacheResult, invalidates } = await load('index');
  const { DataSource, EntitySchema } = await import('typeorm');
  const { TypeOrmModule } = await import('@nestjs/typeorm');
  class Article {}
  const schema = new EntitySchema({
    name: 'Article',
    target: Article,
    columns: { id: { type: Number, primary: true, generated: true }, title: { type: String } },
  });
  class ArticlesService {
    async title(id) {
      return (await rows.findOneBy({ id })).title;
    }
  }
  const options = {
    ttl: '1h',
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Article, { fieldMapping: { id: 'id' } })],
  };
  decorate(ArticlesService, 'title', [CacheResult(options)]);
  const database = TypeOrmModule.forRoot({ type: 'sqljs', entities: [schema], synchronize: true });
  const { app, bus, close } = await tieredApplication(load, url, [ArticlesService], [database]);
  const service = app.get(ArticlesService);
  const dataSource = app.get(DataSource);
  const rows = dataSource.getRepository(Article);
  const article = new Article();
  const save = async (title) => {
    const told = bus.bump();
    await dataSource.transaction((manager) => manager.save(Object.assign(article, { title })));
    await told;
  };
  return {
    async warmUp() {
      await rows.save(Object.assign(article, { title: 'Draft' }));
      expectEqual(await service.title(1), 'Draft');
      await save('Second draft');
      expectEqual(await service.title(1), 'Second draft');
    },
    async run() {
      await save('Final');
      await delay(AFTERWARDS);
    },
    async close() {
      expectEqual(await service.title(1), 'Final');
      await close();
    },
  };
};

const quiet = { logger: ['error', 'warn'], abortOnError: false };

async function adapterOf(platform) {
  if (platform === 'express') return new (await import('@nestjs/platform-express')).ExpressAdapter();
  return new (await import('@nestjs/platform-fastify')).FastifyAdapter();
}

async function tieredApplication(load, url, providers, imports = []) {
  const { memoryStore, RestflowCacheModule, tieredStore } = await load('index');
  const { redisStore } = await load('redis');
  const store = tieredStore({ l1: memoryStore(), l2: redisStore({ url }) });
  class AppModule {}
  const namespace = `flows-${process.pid}`;
  const cache = RestflowCacheModule.forRoot({ store, namespace });
  Module({ imports: [...imports, cache], providers })(AppModule);
  const bus = await listenToBus(url, namespace);
  const app = await NestFactory.createApplicationContext(AppModule, quiet);
  // The first ping finds no subscriber yet; memory is trusted once one has come back.
  await bus.ping();
  await bus.ping();
  await delay(AFTERWARDS);
  return {
    app,
    bus,
    async close() {
      bus.close();
      await app.close();
    },
  };
}

/** Listens to the messages between the processes on one Redis, without the library. */
async function listenToBus(url, namespace) {
  const { Redis } = await import('ioredis');
  const client = new Redis(url);
  await client.psubscribe('*');
  const next = (member, text = '') =>
    new Promise((resolve) => {
      const listener = (_pattern, _channel, message) => {
        if (!message.startsWith(`{"${member}"`) || !message.includes(text)) return;
        client.off('pmessage', listener);
        resolve();
      };
      client.on('pmessage', listener);
    });
  return {
    /** Resolves when other processes are told to drop tags of this application. */
    bump: () => next('tags', namespace),
    ping: () => next('ping'),
    close: () => client.disconnect(),
  };
}

function decorate(target, method, decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, method);
  for (const one of decorators)
    Object.defineProperty(target.prototype, method, one(target.prototype, method, descriptor) ?? descriptor);
}

function fetchBody(url, agent) {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => response.resume().once('end', resolve))
      .once('error', reject)
      .end();
  });
}

function expectEqual(actual, expected) {
  if (actual !== expected)
    throw new Error(`The flow is another one: ${String(actual)} in place of ${expected}.`);
}
