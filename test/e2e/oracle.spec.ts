import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { RestflowCacheModule } from '../../lib/index.js';
import { serverUrl } from '../servers/url.js';
import { announce, seed, soaked } from '../support/randomised.js';
import { Program, type Figures } from './oracle/program.js';
import { CachedViews, ENTITIES, HalfAutoViews } from './oracle/views.js';

// All 2,000 programs with SOAK=1.
describe('random programs of 8 clients on PostgreSQL', () => {
  let app: INestApplicationContext;
  let oracle: DataSource;
  beforeAll(async () => {
    const url = serverUrl('postgres');
    const schema = 'oracle';
    const admin = await new DataSource({ type: 'postgres', url }).initialize();
    await admin.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await admin.destroy();
    const options = {
      type: 'postgres',
      url,
      schema,
      entities: ENTITIES,
      extra: { max: 12, options: `-c search_path=${schema} -c deadlock_timeout=50ms` },
    } satisfies DataSourceOptions;
    app = await NestFactory.createApplicationContext(
      {
        module: class App {},
        imports: [
          TypeOrmModule.forRoot({ ...options, dropSchema: true, synchronize: true }),
          // Loads read a context to count themselves, which chooses no value.
          RestflowCacheModule.forRoot({ keyContext: () => ({}) }),
        ],
        providers: [CachedViews, HalfAutoViews],
      },
      { logger: false },
    );
    oracle = await new DataSource(options).initialize();
  });
  afterAll(async () => {
    await app?.close();
    await oracle?.destroy();
  });

  const promise = 'no cached read is stale, after each awaited write and when all is quiet';
  const programs = soaked(2_000);
  it(
    promise,
    async () => {
      announce(promise, programs);
      const figures: Figures = { reads: 0, hits: 0, judged: 0, failedWrites: 0 };
      for (let i = 0; i < programs; i++) {
        await new Program(seed + i, app.get(DataSource), app.get(CachedViews), oracle, figures).run();
        if ((i + 1) % 100 === 0) process.stderr.write(`oracle: ${i + 1} ${JSON.stringify(figures)}\n`);
      }
      expect(figures.hits / figures.reads).toBeGreaterThanOrEqual(0.4);
      expect(figures.judged / figures.reads).toBeGreaterThanOrEqual(0.4);
      expect(figures.failedWrites).toBeLessThan(programs * 5);
    },
    programs * 10_000,
  );

  const auto = "no cached read is stale where 'auto' stands in place of half of the rules";
  const autoPrograms = soaked(500);
  it(
    auto,
    async () => {
      announce(auto, autoPrograms);
      const figures: Figures = { reads: 0, hits: 0, judged: 0, failedWrites: 0 };
      for (let i = 0; i < autoPrograms; i++)
        await new Program(seed + i, app.get(DataSource), app.get(HalfAutoViews), oracle, figures).run();
      process.stderr.write(`oracle, auto: ${JSON.stringify(figures)}\n`);
      expect(figures.judged / figures.reads).toBeGreaterThanOrEqual(0.4);
    },
    autoPrograms * 10_000,
  );
});
