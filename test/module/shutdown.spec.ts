import { Agent, get } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { DataSource } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  InvalidationDispatcher,
  invalidates,
  memoryStore,
  RestflowCacheModule,
  type CacheStore,
  type ChangeSource,
  type Dispatcher,
} from '../../lib/index.js';
import { Item, openDatabase } from '../dispatchers/support/world.js';
import { TestApplication } from '../support/application.js';
import { Deferred, settled } from '../support/gate.js';

@InvalidationDispatcher('telling')
class Telling implements Dispatcher {
  constructor(private readonly told: string[]) {}
  dispatch(): void {
    this.told.push('dispatched');
  }
  close(): void {
    this.told.push('closed');
  }
}

let dataSource: DataSource;
let told: string[];
beforeEach(async () => {
  dataSource = await openDatabase('sql.js', 'shutdown');
  told = [];
});
afterEach(() => dataSource.destroy());

@Injectable()
class Rates {
  load = async (): Promise<string> => 'old';
  @CacheResult({ ttl: 10, staleWhileRevalidate: 60 }) async rate(): Promise<string> {
    return this.load();
  }
}

describe('a shutdown', () => {
  it.each([
    ['has ended', (work: Deferred<string>) => work.resolve('new')],
    ['has taken five seconds', (_: Deferred<string>, pass: (ms: number) => void) => pass(5_000)],
  ])('waits for a background refresh until it %s', async (_what, end) => {
    const app = await TestApplication.start([Rates], { dataSources: false });
    const rates = app.get(Rates);
    const [asked, work] = [new Deferred(), new Deferred<string>()];
    await rates.rate();
    app.clock.advance(11_000);
    rates.load = () => {
      asked.resolve();
      return work.promise;
    };
    expect(await rates.rate()).toBe('old');
    await asked.promise;
    const closed = app.close().then(() => told.push('closed'));
    await settled();
    expect(told).toEqual([]);
    end(work, (ms) => app.clock.advance(ms));
    await closed;
    expect(told).toEqual(['closed']);
  });

  it('waits for an invalidator that a write no longer waited for', async () => {
    const work = new Deferred();
    const asked = new Deferred();
    @Injectable()
    class Items {
      @CacheResult({
        keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
        invalidatesOn: [
          invalidates(Item, {
            dispatcher: 'telling',
            invalidator: async (cached, { id }) => {
              asked.resolve();
              await work.promise;
              cached.deleteByPrefix({ id });
            },
          }),
        ],
      })
      async text(id: number): Promise<number> {
        return id;
      }
    }
    const app = await TestApplication.start([Items], {
      dataSources: [dataSource],
      dispatchers: [new Telling(told)],
    });
    const saved = dataSource.manager.save(Item, { id: 1, text: 'new' });
    await asked.promise;
    app.clock.advance(100);
    await saved;
    const closed = app.close();
    await settled();
    expect(told).toEqual([]);
    work.resolve();
    await closed;
    expect(told).toEqual(['dispatched', 'closed']);
  });

  it('ends dispatchers and stores whatever becomes of a source of changes or a store', async () => {
    const broken: ChangeSource = {
      start: () => undefined,
      close: () => Promise.reject(new Error('no line')),
    };
    const store = (close: () => void): CacheStore => Object.assign(memoryStore(), { close });
    const app = await TestApplication.start([], {
      store: store(() => {
        throw new Error('no answer');
      }),
      stores: { other: store(() => told.push('store closed')) },
      dispatchers: [new Telling(told)],
      changeSources: [broken],
    });
    await app.close();
    expect(told).toEqual(['closed', 'store closed']);
    expect(app.log.errors).toEqual([
      expect.stringMatching(/A change source did not close.*no line/s),
      expect.stringMatching(/A store did not close.*no answer/s),
    ]);
  });
});

it('a connection that a request occupies when the application closes does not keep it for longer than the request', async () => {
  const [asked, answer] = [new Deferred(), new Deferred<string>()];
  @Controller()
  class Slow {
    @Get('slow')
    slow(): Promise<string> {
      asked.resolve();
      return answer.promise;
    }
  }
  const module = await Test.createTestingModule({
    imports: [RestflowCacheModule.forRoot()],
    controllers: [Slow],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const agent = new Agent({ keepAlive: true });
  const url = `${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/slow`;
  const response = new Promise<string>((resolve, reject) =>
    get(url, { agent }, (message) => {
      let body = '';
      message.on('data', (chunk: Buffer) => (body += chunk.toString()));
      message.on('end', () => resolve(body));
    }).on('error', reject),
  );
  await asked.promise;
  const closed = app.close().then(() => 'closed');
  await new Promise((resolve) => setTimeout(resolve, 200));
  answer.resolve('answered');
  expect(await response).toBe('answered');
  // Node keeps it for five seconds, in case that another request comes.
  expect(await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 4_000, 'open'))])).toBe(
    'closed',
  );
  agent.destroy();
});
