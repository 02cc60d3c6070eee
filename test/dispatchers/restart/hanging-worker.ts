// A worker that takes a job, says so, and never finishes it: `node --import …/typescript.mjs hanging-worker.ts <Hanging as JSON>`.
import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { CacheRuntime } from '../../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../../lib/cache/runtime-token.js';
import { redisStore } from '../../../lib/redis.js';
import type { Line } from '../support/transports.js';
import { startWorker } from '../support/worker.js';

/** What it is told. */
export interface Hanging {
  readonly line: Line;
  /** Of the store. */
  readonly redis: string;
}

const { line, redis } = JSON.parse(process.argv[2]!) as Hanging;
const { schema, url } = line;
const dataSources =
  schema === undefined ? [] : [await new DataSource({ type: 'postgres', url, schema }).initialize()];
const settings = { store: redisStore({ url: redis }), dataSources, logger: new Logger() };
await startWorker(line, settings, (app) => {
  app.get<CacheRuntime>(CACHE_RUNTIME).bump = () => {
    process.stdout.write('taken\n');
    return new Promise(() => undefined);
  };
});
