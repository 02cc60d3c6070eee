import {
  Controller,
  ForbiddenException,
  Get,
  NotFoundException,
  Param,
  Query,
  Req,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  CacheConfigurationError,
  CacheResponse,
  HeadersKeyField,
  invalidates,
  ResponseCacheKeyConstructor,
  type EntityChange,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import {
  gate,
  platforms,
  start,
  until,
  type PlatformName,
  type TestApplication,
} from './support/application.js';

@Entity('rewarm_page')
class Page {
  @PrimaryGeneratedColumn() id!: number;
  @Column() slug!: string;
  @Column() text!: string;
}

let asked: string[];
let fails: boolean;
/** What the log said of rows that were there before anybody asked. */
let seeded: string[];
let held: ReturnType<typeof gate> | undefined;
/** What the tests want asked for after a change. */
let wanted: (change: EntityChange) => unknown;

class PerTokenKey extends ResponseCacheKeyConstructor {
  token = new HeadersKeyField('authorization');
}

const rules = [invalidates(Page, { fieldMapping: { slug: 'slug' }, rewarm: true })];

@Controller('pages')
class Pages {
  constructor(private readonly dataSource: DataSource) {}

  @Get()
  @CacheResponse({
    invalidatesOn: [invalidates(Page, { scope: 'all', rewarm: true })],
    rewarmRequest: () => [{ url: '/pages?page=1' }, { url: '/pages?page=2' }],
  })
  async list(@Query('page') page: string): Promise<string> {
    asked.push(`list ${page}`);
    return `${page}: ${await this.dataSource.getRepository(Page).count()}`;
  }

  @Get('silent/:slug')
  @CacheResponse({ invalidatesOn: rules })
  async silent(@Param('slug') slug: string): Promise<string> {
    return slug;
  }

  @Get(':slug')
  @CacheResponse({ invalidatesOn: rules, rewarmRequest: (change) => wanted(change) as never })
  async one(
    @Param('slug') slug: string,
    @Req() { headers }: { headers: Record<string, string> },
  ): Promise<string> {
    asked.push(`${headers['host']?.replace(/:\d+$/, '')} ${slug}`);
    await held?.promise;
    if (fails) throw new Error('broken');
    const page = await this.dataSource.getRepository(Page).findOneBy({ slug });
    if (page === null) throw new NotFoundException();
    return page.text;
  }

  @Get('mine/:slug')
  @CacheResponse({
    keyConstructor: PerTokenKey,
    invalidatesOn: [invalidates(Page, { scope: 'all', rewarm: true })],
    rewarmRequest: () => ({ url: '/pages/mine/one', headers: { Authorization: 'robot' } }),
  })
  async mine(
    @Param('slug') slug: string,
    @Req() { headers }: { headers: Record<string, string> },
  ): Promise<string> {
    asked.push(`${headers['authorization']} ${slug}`);
    return `${slug} of ${headers['authorization']}`;
  }
}

/** Lets nobody in to `/pages/closed`, and to `/pages/mine` those with a token. */
class Guard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { url, headers } = context
      .switchToHttp()
      .getRequest<{ url: string; headers: Record<string, string> }>();
    const isOpen =
      !url.includes('closed') && (!url.includes('mine') || headers['authorization'] !== undefined);
    if (!isOpen) throw new ForbiddenException();
    return true;
  }
}

let running: TestApplication | undefined;
afterEach(async () => {
  held?.open();
  await running?.close();
  running = undefined;
});

async function boot(platform: PlatformName, cache: RestflowCacheOptions = {}): Promise<DataSource> {
  asked = [];
  fails = false;
  held = undefined;
  wanted = ({ after }) => after && { url: `/pages/${String(after['slug'])}` };
  running = await start(platform, {
    imports: [TypeOrmModule.forRoot({ type: 'sqljs', autoSave: false, entities: [Page], synchronize: true })],
    controllers: [Pages],
    providers: [{ provide: APP_GUARD, useClass: Guard }],
    cache: { dataSources: 'auto', ...cache },
  });
  const dataSource = running.app.get(DataSource);
  await dataSource.manager.save(Page, { slug: 'one', text: 'old' });
  asked = [];
  seeded = reasons();
  running.complaints.length = 0;
  return dataSource;
}

const told = async (path: string, headers?: Record<string, string>): Promise<string> => {
  const { cache, body } = await running!.get(path, headers);
  return `${cache} ${body}`;
};
const reasons = (): string[] => running!.complaints.filter((line) => line.includes('stays dropped'));
const change = async ({ manager }: DataSource, text: string): Promise<void> => {
  const page = await manager.findOneByOrFail(Page, { slug: 'one' });
  await manager.save(Page, { ...page, text });
};

describe.each(platforms)('a handler with rewarmRequest on %s', (platform) => {
  it('has the answer to it stored after a change, for the hosts by which it was asked', async () => {
    const dataSource = await boot(platform);
    await told('/pages/one');
    await told('/pages/one', { host: 'shop.example' });
    asked = [];
    await change(dataSource, 'new');
    await until(() => asked.length === 2);
    expect(asked.sort()).toEqual(['127.0.0.1 one', 'shop.example one']);
    expect(await told('/pages/one')).toBe('HIT new');
    expect(await told('/pages/one', { host: 'shop.example' })).toBe('HIT new');
    expect(asked).toHaveLength(2);
    expect(reasons()).toEqual([]);
  });

  it('may name several, also where rows are unknown', async () => {
    const dataSource = await boot(platform);
    await told('/pages?page=1');
    await told('/pages?page=2');
    asked = [];
    await dataSource.getRepository(Page).delete({ slug: 'one' });
    await until(() => asked.length === 2);
    expect([await told('/pages?page=1'), await told('/pages?page=2')]).toEqual(['HIT 1: 0', 'HIT 2: 0']);
  });

  it('is asked with a host that it names, and the headers that it names, and nothing else', async () => {
    const dataSource = await boot(platform);
    wanted = () => ({ url: 'http://other.example/pages/one?from=rewarm' });
    await change(dataSource, 'new');
    await until(() => asked.includes('other.example one'));
    expect(await told('/pages/one?from=rewarm', { host: 'other.example' })).toBe('HIT new');
    expect(await told('/pages/mine/one', { authorization: 'anna' })).toBe('MISS one of anna');
    asked = [];
    await change(dataSource, 'newer');
    await until(() => asked.includes('robot one'));
    expect(await told('/pages/mine/one', { authorization: 'robot' })).toBe('HIT one of robot');
    expect(await told('/pages/mine/one', { authorization: 'anna' })).toBe('MISS one of anna');
  });

  it('is not asked where a client asks already: both get one answer', async () => {
    const dataSource = await boot(platform);
    await told('/pages/one');
    asked = [];
    held = gate();
    await change(dataSource, 'new');
    await until(() => asked.length === 1);
    const client = told('/pages/one');
    held.open();
    expect(await client).toMatch(/new$/);
    expect(asked).toHaveLength(1);
  });

  it('never stores an answer that a further change overtook', async () => {
    const dataSource = await boot(platform);
    await told('/pages/one');
    asked = [];
    held = gate();
    await change(dataSource, 'new');
    await until(() => asked.length === 1);
    await change(dataSource, 'newest');
    await until(() => asked.length === 2);
    held.open();
    expect(await told('/pages/one')).toMatch(/newest$/);
  });

  it.each<[string, (change: EntityChange) => unknown, RegExp]>([
    ['answers what is not stored', () => ({ url: '/pages/none' }), /GET \/pages\/none answered 404/],
    ['is kept out by a guard', () => ({ url: '/pages/closed' }), /GET \/pages\/closed answered 403/],
    [
      'is asked for by nothing',
      () => ({ url: 'pages/one' }),
      /rewarmRequest of Pages\.one failed: its url is "pages\/one"/,
    ],
    [
      'is asked with no text',
      () => ({ url: '/pages/one', headers: { a: 1 } }),
      /its headers must be an object of strings/,
    ],
    ['would have to be waited for', async () => undefined, /must be synchronous/],
    [
      'throws',
      ({ before }) => (before as { gone: { url: string } }).gone.url,
      /rewarmRequest of Pages\.one failed/,
    ],
  ])('that %s leaves what was dropped, and says so', async (_, request, reason) => {
    const dataSource = await boot(platform);
    await told('/pages/one');
    wanted = request;
    await change(dataSource, 'new');
    await change(dataSource, 'newer');
    await until(() => reasons().length > 0);
    expect(reasons()).toEqual([expect.stringMatching(reason)]);
    expect(await told('/pages/one')).toBe('MISS newer');
  });

  it('that fails says so, and fails no write', async () => {
    const dataSource = await boot(platform);
    await told('/pages/one');
    fails = true;
    await change(dataSource, 'new');
    await until(() => reasons().length > 0);
    expect(reasons()).toEqual([expect.stringMatching(/GET \/pages\/one answered 500/)]);
    fails = false;
    expect(await told('/pages/one')).toBe('MISS new');
  });

  it('that nobody has asked yet has no host, and stays dropped', async () => {
    await boot(platform);
    expect(seeded.filter((line) => line.includes('Pages.one'))).toEqual([
      expect.stringMatching(/nobody has asked this process for it.*https:\/\//),
    ]);
  });
});

describe('at boot', () => {
  it('a rule with rewarm on a handler without rewarmRequest is warned of', async () => {
    await boot('express');
    expect(running!.cache.status().advice).toEqual([
      expect.stringMatching(/Pages\.silent on Page has rewarm: true.*Write rewarmRequest/),
    ]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'without a rule that rewarms',
      () => CacheResponse({ invalidatesOn: [Page], rewarmRequest: () => undefined }),
      /no rule calls rewarmRequest/,
    ],
    [
      'that is no function',
      () => CacheResponse({ invalidatesOn: rules, rewarmRequest: '/pages' as never }),
      /rewarmRequest is .*Write a function/,
    ],
  ])('a rewarmRequest %s is an error', (_, decorator, message) => {
    class Handlers {
      list(): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Handlers.prototype, 'list')!;
    const apply = (): unknown => (decorator() as MethodDecorator)(Handlers.prototype, 'list', descriptor);
    expect(apply).toThrow(CacheConfigurationError);
    expect(apply).toThrow(message);
  });

  it('a rewarmRequest of a whole controller is an error', () => {
    class Handlers {}
    expect(() => CacheResponse({ rewarmRequest: () => undefined })(Handlers)).toThrow(
      /Handlers has a rewarmRequest/,
    );
  });
});
