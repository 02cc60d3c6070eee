import { Controller, Get, Headers, Injectable, Param, type INestApplication } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  type Dispatcher,
  type InvalidationJob,
  InvalidationDispatcher,
  InvalidationJobError,
  invalidates,
  InvalidationWorker,
  type RestflowCacheOptions,
  Vary,
} from '../../lib/index.js';
import {
  platforms,
  start,
  until,
  type PlatformName,
  type TestApplication,
} from '../http/support/application.js';
import { settled } from '../support/gate.js';
import { HOSTILE_VALUES, mutate, pick, type Random } from '../support/mutations.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';

@Entity('hostile_article')
class Article {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) text!: string;
}

/** What ran, and with what. */
let ran: { readonly name: string; readonly arg: unknown; readonly headers?: Record<string, unknown> }[] = [];
/** Each request, as middleware in front of the routes sees it. */
let arrived: { readonly url: string; readonly ip: unknown; readonly headers: Record<string, unknown> }[] = [];

const rule = invalidates(Article, { fieldMapping: { id: 'id' }, rewarm: true });

@Controller('articles')
class Articles {
  @Get('secret')
  secret(): string {
    ran.push({ name: 'secret', arg: undefined });
    return 'secret';
  }

  @Get('plain/:id')
  @CacheResponse(60)
  plain(@Param('id') id: string): string {
    ran.push({ name: 'plain', arg: id });
    return id;
  }

  @Get(':id')
  @Vary('accept-language')
  @CacheResponse({
    ttl: 60,
    invalidatesOn: [rule],
    rewarmRequest: ({ after }) =>
      after && { url: `http://a.test/articles/${String(after['id'])}`, headers: { 'x-robot': 'rewarm' } },
  })
  one(@Param('id') id: string, @Headers() headers: Record<string, unknown>): string {
    ran.push({ name: 'one', arg: id, headers });
    return id;
  }
}

@Injectable()
class Titles {
  @CacheResult({
    ttl: 60,
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [rule],
  })
  async title(id: unknown): Promise<string> {
    ran.push({ name: 'title', arg: id });
    return `title ${String(id)}`;
  }

  @CacheResult({ ttl: 60, keyConstructor: { id: new ArgsKeyField('id', { partition: true }) } })
  async undeclared(id: unknown): Promise<string> {
    ran.push({ name: 'undeclared', arg: id });
    return `undeclared ${String(id)}`;
  }
}

@InvalidationDispatcher('recording')
class Recording implements Dispatcher {
  readonly jobs: InvalidationJob[] = [];

  dispatch(jobs: readonly InvalidationJob[]): void {
    this.jobs.push(...jobs);
  }
}

let running: TestApplication | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const SECRET = 'a secret of thirty-two characters';

interface Booted {
  readonly app: TestApplication;
  readonly worker: InvalidationWorker;
  /** The job of an insert, as a queue delivers it. */
  readonly job: Record<string, unknown> & { rewarm: Record<string, unknown>[] };
}

function watch(app: INestApplication): void {
  app
    .getHttpServer()
    .prependListener('request', (request: { url: string; socket: object; headers: object }) => {
      arrived.push({
        url: request.url,
        ip: (request.socket as { remoteAddress?: unknown }).remoteAddress,
        headers: request.headers as Record<string, unknown>,
      });
    });
}

async function boot(platform: PlatformName, cache: RestflowCacheOptions = {}): Promise<Booted> {
  const recording = new Recording();
  const app = await start(platform, {
    imports: [
      TypeOrmModule.forRoot({ type: 'sqljs', autoSave: false, entities: [Article], synchronize: true }),
    ],
    controllers: [Articles],
    providers: [Titles],
    cache: { dataSources: 'auto', dispatchers: [recording], defaultDispatcher: 'recording', ...cache },
    setup: watch,
  });
  running = app;
  await app.app.get(DataSource).manager.save(Article, { id: 'one', text: 'text' });
  const jobs = JSON.parse(JSON.stringify(recording.jobs)) as Booted['job'][];
  const job = { ...jobs[0]!, rewarm: jobs.flatMap(({ rewarm }) => rewarm ?? []) };
  ran = [];
  arrived = [];
  return { app, worker: app.app.get(InvalidationWorker), job };
}

const HOSTILE: readonly unknown[] = [
  ...HOSTILE_VALUES,
  'Titles.undeclared',
  'Articles.plain',
  'Articles.one',
  'Titles.title',
  'purge',
  'expire',
  '/articles/secret',
  '/articles/plain/1',
  '/articles/one/../secret',
  '/articles/%2e%2e/secret',
  '/articles/one%2f..%2fsecret',
  '//evil.test/articles/one',
  '\\\\evil.test',
  'http://evil.test/articles/secret',
  'http://a.test/admin',
  'file:///etc/passwd',
  '/articles/one?x=1#y',
  '/articles/one HTTP/1.1\r\nx: y',
];

const HEADERS = [
  'authorization',
  'cookie',
  'x-forwarded-for',
  'x-user-id',
  'accept-language',
  'host',
  'a b',
  'a\r\nb',
];

const MEMBERS = [...HEADERS, 'request', 'values'];

/** @returns the job, mutated, or a forged one with headers of somebody's choice */
function forged(job: Booted['job'], random: Random): unknown {
  if (random() < 0.3) {
    const name = pick(random, HEADERS);
    const url = pick(random, ['/articles/two', 'http://a.test/articles/two', ...HOSTILE]);
    return {
      ...job,
      rewarm: [{ method: 'Articles.one', request: { url, headers: { [name]: pick(random, HOSTILE) } } }],
    };
  }
  let mutated: unknown = job;
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--)
    mutated = mutate(mutated, random, MEMBERS, HOSTILE);
  return mutated;
}

async function deliver(worker: InvalidationWorker, job: unknown): Promise<unknown> {
  try {
    await worker.handle(job);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe.each(platforms)('jobs that somebody else put into the queue, on %s', (platform) => {
  it('run no method without a rule, and do not crash the worker', async () => {
    const { app, worker, job } = await boot(platform);
    const count = soaked(5_000);
    announce('hostile jobs', count);
    const random = randomNumbers(seed);
    for (let i = 0; i < count; i++) {
      const error = await deliver(worker, forged(job, random));
      if (error !== undefined) expect(error).toBeInstanceOf(InvalidationJobError);
      if (i % 50 === 0) await settled();
    }
    const plain = { method: 'Articles.one', request: { url: 'http://a.test/articles/four' } };
    await deliver(worker, { ...job, rewarm: [...job.rewarm, plain] });
    for (const last of ['one', 'four']) await until(() => ran.some(({ arg }) => arg === last));
    await settled();
    expect(new Set(ran.map(({ name }) => name))).toEqual(new Set(['title', 'one']));
    for (const { arg } of ran) expect(typeof arg).not.toBe('object');
    for (const { url, ip, headers } of arrived) {
      expect(url).toMatch(/^\/articles\/[^/]+$/);
      expect(ip).not.toMatch(/^(127\.|::1)/);
      expect(Object.keys(headers).filter((name) => !['host', 'accept-language'].includes(name))).toEqual([]);
      expect(Object.values(headers).join()).not.toMatch(/[\r\n\0]/);
    }
    expect((await app.get('/articles/three')).status).toBe(200);
  });

  it.each([
    ['a handler of another route', { url: 'http://a.test/articles/secret' }, /answered 404/],
    ['another path', { url: 'http://a.test/admin' }, /does not ask for its own route/],
    ['a path that leads out of its route', { url: 'http://a.test/articles/..%2fsecret' }, /own route/],
    [
      'a header that its key does not hold',
      { url: 'http://a.test/articles/two', headers: { 'X-Forwarded-For': '10.0.0.1' } },
      /carries the header 'x-forwarded-for'.*jobSecret/,
    ],
  ])('cannot recompute %s', async (_, request, reason) => {
    const { app, worker, job } = await boot(platform);
    await worker.handle({ ...job, rewarm: [{ method: 'Articles.one', request }] });
    await until(() => app.complaints.some((line) => reason.test(line)));
    expect(ran).toEqual([]);
  });

  it('may carry headers that the key of the handler contains', async () => {
    const { worker, job } = await boot(platform);
    const request = { url: 'http://a.test/articles/two', headers: { 'Accept-Language': 'de' } };
    await worker.handle({ ...job, rewarm: [{ method: 'Articles.one', request }] });
    await until(() => ran.length > 0);
    expect(ran).toEqual([expect.objectContaining({ name: 'one', arg: 'two' })]);
    expect(ran[0]!.headers).toEqual({ host: 'a.test', 'accept-language': 'de' });
  });

  it('recompute with the headers of their rule if they are signed with jobSecret, and otherwise not at all', async () => {
    const { app, worker, job } = await boot(platform, { jobSecret: [SECRET] });
    await worker.handle(job);
    await until(() => ran.length === 2);
    expect(ran.find(({ name }) => name === 'one')!.headers).toEqual({ host: 'a.test', 'x-robot': 'rewarm' });
    await app.get('/articles/one', { host: 'a.test' });
    ran = [];
    for (const [at, rewarm] of job.rewarm.entries()) {
      const { signature: _, ...unsigned } = rewarm;
      const other = {
        ...rewarm,
        ...(at === 0 ? { values: { id: 'two' } } : { request: { url: '/articles/two' } }),
      };
      await worker.handle({ ...job, rewarm: [unsigned, other, { ...rewarm, signature: 'x' }] });
    }
    await until(
      () => app.complaints.filter((line) => /not signed with the jobSecret/.test(line)).length === 2,
    );
    await settled();
    expect(ran).toEqual([]);
  });
});

it('a job without a signature still invalidates: a lost secret leaves no stale entry', async () => {
  const { app, worker, job } = await boot('express', { jobSecret: SECRET });
  await app.get('/articles/one');
  await worker.handle({ ...job, rewarm: undefined });
  expect((await app.get('/articles/one')).cache).toBe('MISS');
});

it('any secret of the list is accepted, so that secrets can be rotated', async () => {
  const { job } = await boot('express', { jobSecret: SECRET });
  await running!.close();
  const { worker } = await boot('express', { jobSecret: [SECRET.toUpperCase(), SECRET] });
  await worker.handle(job);
  await until(() => ran.length === 2);
});

it.each([['short'], [[]], [['x'.repeat(32), 'short']], [7]])('jobSecret %j is checked', async (jobSecret) => {
  const booting = boot('express', { jobSecret: jobSecret as string });
  await expect(booting).rejects.toThrow(/The secret of jobSecret.*at least 32/s);
});
