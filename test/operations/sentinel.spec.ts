import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Counters } from '../fleet/support/counters.js';
import { reapProcesses } from '../fleet/support/redis-process.js';
import { ShopApplication } from '../fleet/support/shop.js';
import { announce, randomNumbers, seed } from '../support/randomised.js';
import { until } from '../support/until.js';
import { FailoverFleet, type Party } from './support/failover-fleet.js';
import { MASTER_NAME, SentinelSetup } from './support/sentinels.js';

const GRACE_MS = 5_000;
const FAILOVERS = process.env['SOAK'] === '1' ? 8 : 2;

afterAll(reapProcesses);

const PROMISE =
  'failovers by Sentinels serve nothing stale, and clients of the application move by themselves';

it(
  PROMISE,
  async () => {
    announce(PROMISE, FAILOVERS);
    const setup = await SentinelSetup.start();
    const counters = new Counters();
    const clients: Redis[] = [];
    const start = async (kind: 'redis' | 'bus' | 'validate', failoverDetector: boolean): Promise<Party> => {
      const client = new Redis({ sentinels: [...setup.sentinels], name: MASTER_NAME, failoverDetector });
      clients.push(client);
      const l2 = redisStore({ client, timeout: 600, failoverGrace: `${GRACE_MS}ms` });
      const store = kind === 'redis' ? l2 : tieredStore({ l1: memoryStore(), l2, consistency: kind });
      const application = await ShopApplication.start(counters, store);
      const lag = kind === 'bus' ? 1_400 : 50;
      return { name: kind, application, store, lag, isDead: false, hits: 0, epoch: undefined, since: 0 };
    };
    const parties = await Promise.all([
      start('redis', false),
      start('redis', true),
      start('bus', false),
      start('validate', true),
    ]);
    const fleet = new FailoverFleet(parties, counters, GRACE_MS, randomNumbers(seed));
    const hit = async (): Promise<boolean> => {
      for (const party of parties) party.hits = 0;
      await delay(500);
      return parties.every(({ hits }) => hits > 0);
    };
    try {
      await delay(1_000);
      for (let round = 0; round < FAILOVERS; round++) {
        await setup.failover();
        await until(hit, 'hits of all processes at the new master');
        await delay(GRACE_MS);
      }
      await until(hit, 'hits of all processes after the grace');
      await fleet.stop();
      process.stderr.write(
        `${fleet.reads} reads, ${fleet.hits} hits, ${fleet.writes} writes, ${fleet.stale.length} stale\n`,
      );
      expect(fleet.stale.slice(0, 10)).toEqual([]);
      expect(fleet.failures).toEqual([]);
      for (const { application } of parties)
        expect(application.lines.filter((line) => /another history/.test(line))).toHaveLength(FAILOVERS);
    } finally {
      await fleet.stop();
      for (const { application } of parties) await application.close();
      for (const client of clients) client.disconnect();
      await setup.stop();
    }
  },
  120_000 + FAILOVERS * 30_000,
);
