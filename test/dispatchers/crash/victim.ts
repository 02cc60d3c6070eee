// A process that caches, writes, and is killed on the way: `node --import …/typescript.mjs victim.ts <Scene as JSON>`.
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { In } from 'typeorm';
import type { CacheRuntime } from '../../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../../lib/cache/runtime-token.js';
import { RestflowCacheModule } from '../../../lib/index.js';
import { Item, itemsService } from '../support/world.js';
import { dataSourceOf, dispatchersOf, storeOf, type Scene } from './scene.js';

const scene = JSON.parse(process.argv[2]!) as Scene;
const die = (): void => void process.kill(process.pid, 'SIGKILL');

const dataSource = await dataSourceOf(scene);
const Items = itemsService(scene.dispatcher);

@Module({})
class Victim {}
const cache = RestflowCacheModule.forRoot({
  namespace: scene.namespace,
  application: 'crash',
  store: storeOf(scene),
  dataSources: [dataSource],
  dispatchers: await dispatchersOf(scene, false),
});
const app = await NestFactory.createApplicationContext(
  { module: Victim, imports: [cache], providers: [Items as Type] },
  { logger: ['error'], abortOnError: false },
);
const items = app.get(Items);
items.source = dataSource;
for (const id of scene.ids) await items.text(id);

armCommit();
armBumps(app.get<CacheRuntime>(CACHE_RUNTIME));
await dataSource.transaction(async (manager) => {
  if (scene.bulk) await manager.update(Item, { id: In([...scene.changed]) }, { text: 'new' });
  else for (const id of scene.changed) await manager.save(Item, { id, text: 'new' });
});
// Not reached, unless the failpoint did not work.
process.exit(1);

function armCommit(): void {
  const { master } = dataSource.driver as unknown as { master: { on(event: 'acquire', hook: Hook): void } };
  type Hook = (client: { query(...args: unknown[]): unknown; armed?: boolean }) => void;
  master.on('acquire', (client) => {
    if (client.armed === true) return;
    client.armed = true;
    const { query } = client;
    client.query = (...args) => {
      if (args[0] !== 'COMMIT') return query.apply(client, args);
      if (scene.failpoint === 'enqueued, before COMMIT') die();
      const answer = query.apply(client, args);
      if (scene.failpoint === 'COMMIT on its way') setImmediate(die);
      return answer;
    };
  });
}

function armBumps(runtime: CacheRuntime): void {
  const { bump } = runtime;
  runtime.bump = async (tags, mode) => {
    if (scene.failpoint === 'committed, before the bumps') die();
    const half = scene.failpoint === 'in the middle of the bumps' ? Math.floor(tags.length / 2) : tags.length;
    if (half > 0) await bump.call(runtime, tags.slice(0, half), mode);
    die();
  };
}
