// One process of a fleet: a Fastify application on memory over Redis. While it answers requests, it drops entries at random: one for
// every twenty requests.
import { CacheService, memoryStore, tieredStore } from '../../dist/esm/index.js';
import { redisStore } from '../../dist/esm/redis.js';
import { itemRuns, ItemsController, itemsApplication } from '../rig/items.mjs';
import { options, serve } from '../rig/processes.mjs';

const { redis, namespace } = options();
const KEYS = 1_000;
const WRITES = 0.05;
let writes = 0;

const store = tieredStore({
  l1: memoryStore(),
  l2: redisStore({ url: redis, failoverGrace: false, timeout: 10_000 }),
});
const app = await itemsApplication({ namespace, store });
await app.listen(0, '127.0.0.1');

const find = app.get(CacheService).for(ItemsController, 'find');
const answered = () => {
  const { methods } = app.get(CacheService).metrics();
  const { hits, misses, stale, bypasses } = methods.find(({ name }) => name === find.name);
  return hits + misses + stale + bypasses;
};

let seen = answered();
let due = 0;
setInterval(() => {
  const now = answered();
  due += (now - seen) * WRITES;
  seen = now;
  for (; due >= 1; due--) {
    const id = String(Math.floor(Math.random() * KEYS)).padStart(9, '0');
    writes++;
    void find.deletePartition({ id });
  }
}, 5);
serve(() => ({ cpu: process.cpuUsage(), runs: itemRuns(), writes }), {
  port: app.getHttpServer().address().port,
});
