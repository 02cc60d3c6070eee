import 'reflect-metadata';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { AddressInfo } from 'node:net';
import { CacheService } from '../../lib/index.js';
import { send } from '../http/support/application.js';
import {
  codeBlocks,
  compilerOptions,
  exportsOf,
  membersOf,
  pages,
  readPage,
  root,
  typeErrors,
  type CodeBlock,
} from './code-blocks.js';
import { brokenLinks } from './links.js';
import { Article } from './prelude.js';

describe('the examples of README.md and docs/', () => {
  const options = compilerOptions();
  let blocks: CodeBlock[];

  beforeAll(() => {
    blocks = codeBlocks(exportsOf(options));
  });

  it('compile against the library', () => {
    expect(blocks.length).toBeGreaterThan(20);
    expect(typeErrors(blocks, options)).toEqual([]);
  });

  it('name files of lib/ that exist', () => {
    const named = [...readPage('docs/architecture.md').matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.ts)`/g)].map(
      ([, file]) => file!,
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((file) => !existsSync(join(root, 'lib', file)))).toEqual([]);
  });

  it('begin with one of 15 lines', () => {
    expect(blocks[0]!.where).toMatch(/^README\.md/);
    expect(blocks[0]!.code.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(15);
  });

  it.each(['express', 'fastify'])(
    'begin with one that caches, and is fresh after a save, on %s',
    async (platform) => {
      const { BlogModule } = await load(blocks[0]!);
      @Module({
        imports: [
          TypeOrmModule.forRoot({ type: 'sqljs', entities: [Article], synchronize: true }),
          // The application's own way to provide repositories, which the example leaves out.
          { ...TypeOrmModule.forFeature([Article]), global: true },
          BlogModule!,
        ],
      })
      class AppModule {}

      const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
      const app: INestApplication = await NestFactory.create(AppModule, adapter, {
        abortOnError: false,
        logger: ['error', 'warn'],
      });
      try {
        await app.listen(0, '127.0.0.1');
        const url = await app.getUrl();
        const articles = app.get(DataSource).getRepository(Article);
        const article = await articles.save({ slug: 'hello', title: 'Hello' });
        await articles.save({ slug: 'other', title: 'Other' });
        const read = async (slug: string) => {
          const response = await fetch(`${url}/articles/${slug}`);
          return [response.headers.get('x-cache-status'), ((await response.json()) as Article).title];
        };
        expect(await read('other')).toEqual(['MISS', 'Other']);
        expect(await read('hello')).toEqual(['MISS', 'Hello']);
        expect(await read('hello')).toEqual(['HIT', 'Hello']);
        article.title = 'Hello again';
        await articles.save(article);
        expect(await read('hello')).toEqual(['MISS', 'Hello again']);
        expect(await read('hello')).toEqual(['HIT', 'Hello again']);
        expect(await read('other')).toEqual(['HIT', 'Other']);
      } finally {
        await app.close();
      }
    },
  );
});

describe('the example of docs/multi-tenancy.md', () => {
  it.each(['express', 'fastify'])('shares nothing between tenants, on %s', async (platform) => {
    const blocks = codeBlocks(exportsOf(compilerOptions()));
    const page = blocks.filter(({ where }) => where.startsWith('docs/multi-tenancy.md'));
    const { MenuModule, MenuService } = await load(page[0]!);
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    const app: INestApplication = await NestFactory.create(MenuModule!, adapter, {
      abortOnError: false,
      logger: ['error', 'warn'],
    });
    try {
      await app.listen(0, '127.0.0.1');
      const { port } = app.getHttpServer().address() as AddressInfo;
      const read = async (tenant: string) => {
        const { body, cache } = await send(port, '/menu/monday', {
          headers: { host: `${tenant}.shop.test` },
        });
        return [cache, (JSON.parse(body) as string[])[0]];
      };
      expect(await read('acme')).toEqual(['MISS', 'acme: soup of monday']);
      expect(await read('blue')).toEqual(['MISS', 'blue: soup of monday']);
      expect(await read('acme')).toEqual(['HIT', 'acme: soup of monday']);
      const dishes = app
        .get(CacheService)
        .for(MenuService as Type<{ dishes(day: string): Promise<unknown> }>, 'dishes');
      await dishes.deletePartition({ tenant: 'acme' });
      expect(await read('acme')).toEqual(['MISS', 'acme: soup of monday']);
      expect(await read('blue')).toEqual(['HIT', 'blue: soup of monday']);
    } finally {
      await app.close();
    }
  });
});

describe('the example of docs/prometheus.md', () => {
  it.each(['express', 'fastify'])('is scraped, on %s', async (platform) => {
    const blocks = codeBlocks(exportsOf(compilerOptions()));
    const page = blocks.filter(({ where }) => where.startsWith('docs/prometheus.md'));
    const { ShopModule } = await load(page[0]!);
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    const app: INestApplication = await NestFactory.create(ShopModule!, adapter, {
      abortOnError: false,
      logger: ['error', 'warn'],
    });
    try {
      await app.listen(0, '127.0.0.1');
      const response = await fetch(`${await app.getUrl()}/metrics`);
      expect(response.headers.get('content-type')).toContain('version=0.0.4');
      expect(await response.text()).toContain(
        'restflow_store_up{namespace="restflow",store="default",kind="memory"} 1',
      );
    } finally {
      await app.close();
    }
  });
});

describe('the example of docs/opentelemetry.md', () => {
  it('boots without an SDK', async () => {
    const blocks = codeBlocks(exportsOf(compilerOptions()));
    const page = blocks.filter(({ where }) => where.startsWith('docs/opentelemetry.md'));
    const { TracedModule } = await load(page[0]!);
    const app = await NestFactory.createApplicationContext(TracedModule!, {
      abortOnError: false,
      logger: ['error', 'warn'],
    });
    expect(app.get(CacheService).health().status).toBe('up');
    await app.close();
  });
});

describe('the example of docs/dashboard.md', () => {
  it.each(['express', 'fastify'])('shows the page to admins alone, on %s', async (platform) => {
    const blocks = codeBlocks(exportsOf(compilerOptions()));
    const page = blocks.filter(({ where }) => where.startsWith('docs/dashboard.md'));
    const { ObservedModule } = await load(page[0]!);
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    const app: INestApplication = await NestFactory.create(ObservedModule!, adapter, {
      abortOnError: false,
      logger: ['error', 'warn'],
    });
    app.use((request: { user?: object }, _: object, next: () => void) => {
      isAdmin.forEach((user) => (request.user = user));
      next();
    });
    const isAdmin: object[] = [];
    try {
      await app.listen(0, '127.0.0.1');
      const read = async () => (await fetch(`${await app.getUrl()}/cache`)).status;
      expect(await read()).toBe(403);
      isAdmin.push({ isAdmin: true });
      // Fastify's middleware sees the raw request, which is not that of guards.
      if (platform === 'express') expect(await read()).toBe(200);
    } finally {
      await app.close();
    }
  });
});

describe('the options of modules', () => {
  it.each([
    ['docs/dashboard.md', 'lib/dashboard/dashboard-options.ts', 'DashboardOptions'],
    ['docs/prometheus.md', 'lib/prometheus/prometheus.module.ts', 'PrometheusModuleOptions'],
    ['docs/prometheus.md', 'lib/prometheus/register-metrics.ts', 'RegisterMetricsOptions'],
    ['docs/opentelemetry.md', 'lib/opentelemetry/instrument-cache.ts', 'OpenTelemetryOptions'],
  ])('stand in %s: %s, %s', (page, file, name) => {
    expect(withoutRow(readPage(page), membersOf(file, name))).toEqual([]);
  });
});

describe('the example of docs/observability.md', () => {
  it.each(['express', 'fastify'])('answers a health check of @nestjs/terminus, on %s', async (platform) => {
    const blocks = codeBlocks(exportsOf(compilerOptions()));
    const { HealthyModule } = await load(blocks.find(({ code }) => code.includes('TerminusModule'))!);
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    const app: INestApplication = await NestFactory.create(HealthyModule!, adapter, {
      abortOnError: false,
      logger: ['error', 'warn'],
    });
    try {
      await app.listen(0, '127.0.0.1');
      const response = await fetch(`${await app.getUrl()}/health`);
      expect([response.status, await response.json()]).toMatchObject([
        200,
        {
          status: 'ok',
          details: { cache: { status: 'up', cache: 'up', stores: { default: { status: 'up' } } } },
        },
      ]);
    } finally {
      await app.close();
    }
  });
});

describe('the pages of docs/', () => {
  it.each(['inline', 'background', 'bullmq', 'pg-boss', 'microservice', 'outbox'])(
    'are one for the dispatcher %s too',
    (name) => {
      expect(pages()).toContain(`docs/dispatchers/${name}.md`);
    },
  );

  it.each([...pages(), 'sample/02-orders/README.md', 'CONTRIBUTING.md'])('lead somewhere from %s', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });
});

describe('docs/options.md', () => {
  const page = readPage('docs/options.md');

  it.each([
    ['lib/module/options.ts', 'RestflowCacheOptions'],
    ['lib/stores/memory-store.ts', 'MemoryStoreOptions'],
    ['lib/stores/redis/create-redis-store.ts', 'RedisStoreOptions'],
    ['lib/decorators/cache-options.interface.ts', 'CacheOptions'],
    ['lib/decorators/cache-options.interface.ts', 'CacheResultOptions'],
    ['lib/decorators/cache-options.interface.ts', 'CacheResponseOptions'],
    ['lib/invalidation/rules/rule-options.ts', 'InvalidationRuleOptions'],
    ['lib/stores/tiered-store.ts', 'TieredStoreOptions'],
    ['lib/decorators/cache-control.decorator.ts', 'CacheControlOptions'],
    ['lib/decorators/invalidates-cache.decorator.ts', 'InvalidatesCacheOptions'],
    ['lib/decorators/invalidates-on-event.decorator.ts', 'InvalidatesOnEventOptions'],
    ['lib/cache/manual-entry.ts', 'KeyedOptions'],
    ['lib/cache/cache.service.ts', 'SetOptions'],
    ['lib/module/attach-invalidation.ts', 'AttachInvalidationOptions'],
  ])('names every option of %s, %s', (file, name) => {
    expect(withoutRow(page, membersOf(file, name))).toEqual([]);
  });
});

describe('the pages of dispatchers', () => {
  it.each([
    ['background', 'background.dispatcher.ts', 'BackgroundSettings'],
    ['bullmq', 'bullmq.dispatcher.ts', 'BullMqOptions'],
    ['pg-boss', 'pg-boss.dispatcher.ts', 'PgBossOptions'],
    ['microservice', 'microservice.dispatcher.ts', 'MicroserviceOptions'],
    ['microservice', 'invalidation.controller.ts', 'InvalidationControllerOptions'],
    ['outbox', 'outbox/outbox.dispatcher.ts', 'OutboxOptions'],
  ])('docs/dispatchers/%s.md names every option of %s', (page, file, name) => {
    expect(
      withoutRow(readPage(`docs/dispatchers/${page}.md`), membersOf(`lib/dispatchers/${file}`, name)),
    ).toEqual([]);
  });
});

/** Those that no row of a table begins with. */
function withoutRow(page: string, members: readonly string[]): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  return members.filter((member) => !rows.some((row) => row.split('|')[1]!.includes(`\`${member}\``)));
}

/** Runs an example as the module that it is. */
async function load({ module, where }: CodeBlock): Promise<Record<string, Type>> {
  const folder = join(root, '.tmp', 'docs', `run-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  // A module is loaded once for each file.
  const file = join(folder, `${where.replace(/\W+/g, '-')}.ts`);
  try {
    writeFileSync(file, module.replaceAll("'../../test/", "'../../../test/"));
    return (await import(file)) as Record<string, Type>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
