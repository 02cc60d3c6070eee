import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import {
  InvalidationDispatcher,
  RestflowCacheModule,
  type Dispatcher,
  type DispatcherHost,
  type DispatcherProvider,
  type InvalidationJob,
} from '../../lib/index.js';
import { bullMqDispatcher } from '../../lib/bullmq.js';
import { microserviceDispatcher } from '../../lib/microservices.js';
import { pgBossDispatcher } from '../../lib/pg-boss.js';
import { TestApplication } from '../support/application.js';
import { Item, openDatabase, startItems } from './support/world.js';

@Injectable()
@InvalidationDispatcher('mine')
class Mine implements Dispatcher {
  jobs: InvalidationJob[] = [];
  events: string[] = [];
  config: unknown;

  start({ config, namespace }: DispatcherHost): void {
    this.config = config;
    this.events.push(`start ${namespace}`);
  }
  dispatch(jobs: readonly InvalidationJob[], { config }: { config: unknown }): void {
    this.jobs.push(...jobs);
    this.config = config;
  }
  close(): void {
    this.events.push('close');
  }
}

let dataSource: DataSource;
beforeAll(async () => {
  dataSource = await openDatabase('sql.js', 'registration');
});
afterAll(() => dataSource.destroy());

describe('forRoot({ dispatchers })', () => {
  it('refuses anything but a dispatcher, and says what to write', async () => {
    expect(() => RestflowCacheModule.forRoot({ dispatchers: [undefined as never] })).toThrow(
      /dispatchers contains undefined.*circular import/,
    );
    const started = TestApplication.start([], { dispatchers: [{ useFactory: () => null as never }] });
    await expect(started).rejects.toThrow(/dispatchers contains null.*useFactory/);
  });

  const instance = new Mine();
  it.each<[string, DispatcherProvider, Mine | undefined]>([
    ['a class', Mine, undefined],
    ['an instance', instance, instance],
    ['a provider of one', { useFactory: () => instance }, instance],
  ])('accepts %s, with its settings, from start to close', async (_, given, known) => {
    instance.events = [];
    const { app } = await startItems('mine', {
      dataSource,
      dispatchers: [given],
      settings: { mine: { a: 1, raiseException: false } },
      rule: { dispatcherConfig: { b: 2 } },
    });
    const mine = known ?? app.get(Mine);
    expect([mine.events, mine.config]).toEqual([['start restflow'], { a: 1 }]);
    await dataSource.manager.save(Item, { id: 1, text: String(Math.random()) });
    expect(mine.jobs.at(-1)).toMatchObject({ namespace: 'restflow', done: true });
    expect(mine.config).toEqual({ a: 1, b: 2 });
    await app.close();
    expect(mine.events).toEqual(['start restflow', 'close']);
  });

  it('refuses one without a name', async () => {
    class Nameless implements Dispatcher {
      dispatch(): void {}
    }
    const starting = startItems('mine', { dataSource, dispatchers: [new Nameless()] });
    await expect(starting).rejects.toThrow(/Nameless, which has no name.*@InvalidationDispatcher/);
  });
});

describe('dispatcherConfig of a rule', () => {
  const nobody = { emit: () => undefined, connect: () => Promise.resolve(), close: () => undefined };
  it.each<[string, Dispatcher, object, RegExp]>([
    [
      'bullmq',
      bullMqDispatcher({ connection: {}, work: false }),
      { queu: 'q' },
      /unknown option queu\. Did you mean queue\? Known options: queue, attempts/,
    ],
    ['bullmq', bullMqDispatcher({ connection: {}, work: false }), { attempts: 0 }, /attempts is 0/],
    [
      'pg-boss',
      pgBossDispatcher({ boss: { send: nobody.emit } as never }),
      { work: true },
      /work is the same for all rules\. Write it in dispatcherSettings: \{ 'pg-boss': \{ work/,
    ],
    [
      'microservice',
      microserviceDispatcher({ client: nobody as never }),
      { queue: 'q' },
      /unknown option queue\. Known options: pattern/,
    ],
  ])('that %s rejects is an error at boot that names the method', async (name, given, config, message) => {
    const rule = { dispatcherConfig: config };
    const starting = startItems(name, { dataSource, dispatchers: [given], rule });
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.toThrow(/^The rule of Items.text on Item: /);
  });
});

it('settings of an unknown dispatcher are logged at boot', async () => {
  const { app } = await startItems('inline', { dataSource, settings: { bullqm: { attempts: 3 } } });
  expect(app.log.warnings.join()).toMatch(/'bullqm', which no dispatcher of this application reads/);
  await app.close();
});

describe('a dispatcher that is not there', () => {
  it.each([
    ['bullmq', /npm install bullmq ioredis.*bullMqDispatcher.*'nestjs-restflow-cache\/bullmq'/],
    ['pg-boss', /npm install pg-boss.*'nestjs-restflow-cache\/pg-boss'.*pgBossDispatcher\(\{ boss \}\)/],
    ['microservice', /npm install @nestjs\/microservices.*'nestjs-restflow-cache\/microservices'/],
    ['outbox', /outboxDispatcher\(\).*outboxMigration\(\)/],
    ['celery', /'celery'.*Write one of inline, background, or register your own/],
    ['bull-mq', /'bull-mq'.*Did you mean 'bullmq'\? Write one of/],
  ])('%s is an error that says what to write', async (name, message) => {
    await expect(startItems(name, { dataSource })).rejects.toThrow(message);
  });
});
