import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Counters } from '../fleet/support/counters.js';
import { freePort, reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { ShopApplication } from '../fleet/support/shop.js';
import { announce, randomNumbers, seed } from '../support/randomised.js';
import { until } from '../support/until.js';
import { FailoverFleet, type Party } from './support/failover-fleet.js';

const GRACE_MS = 5_000;
const FAILOVERS = process.env['SOAK'] === '1' ? 6 : 1;
const MASTERS = 3;
const LAST_SLOT = 16_383;

afterAll(reapProcesses);

/** Three masters, each with a replica. */
async function startCluster(): Promise<RedisProcess[]> {
  const busPorts: number[] = [];
  const nodes: RedisProcess[] = [];
  for (let i = 0; i < 2 * MASTERS; i++) {
    busPorts.push(await freePort());
    const options = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '2000',
      '--cluster-port',
      String(busPorts[i]),
    ];
    nodes.push(await RedisProcess.start(...options));
  }
  const size = Math.ceil((LAST_SLOT + 1) / MASTERS);
  for (let i = 0; i < MASTERS; i++)
    await nodes[i]!.command('CLUSTER', 'ADDSLOTSRANGE', i * size, Math.min(LAST_SLOT, (i + 1) * size - 1));
  for (let i = 1; i < nodes.length; i++)
    await nodes[0]!.command('CLUSTER', 'MEET', '127.0.0.1', nodes[i]!.port, busPorts[i]!);
  for (let i = 0; i < MASTERS; i++) {
    const id = String(await nodes[i]!.command('CLUSTER', 'MYID'));
    const replicate = (): Promise<unknown> => nodes[MASTERS + i]!.command('CLUSTER', 'REPLICATE', id);
    await until(
      () =>
        replicate().then(
          () => true,
          () => false,
        ),
      'a replica that knows its master',
    );
  }
  for (const node of nodes)
    await until(
      async () => String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      'a cluster',
    );
  for (const node of nodes.slice(MASTERS))
    await until(
      async () => String(await node.command('INFO', 'replication')).includes('link_status:up'),
      'a replica',
    );
  return nodes;
}

const PROMISE = 'a failover of one master of a Cluster serves nothing stale';

it(
  PROMISE,
  async () => {
    announce(PROMISE, FAILOVERS);
    const nodes = await startCluster();
    const urls = nodes.map(({ url }) => url);
    const counters = new Counters();
    const start = async (kind: 'redis' | 'bus' | 'validate'): Promise<Party> => {
      const l2 = redisStore({ url: urls, timeout: 600, failoverGrace: `${GRACE_MS}ms` });
      const store = kind === 'redis' ? l2 : tieredStore({ l1: memoryStore(), l2, consistency: kind });
      const application = await ShopApplication.start(counters, store);
      const lag = kind === 'bus' ? 1_400 : 50;
      return { name: kind, application, store, lag, isDead: false, hits: 0, epoch: undefined, since: 0 };
    };
    const parties = await Promise.all([start('redis'), start('bus'), start('validate')]);
    const fleet = new FailoverFleet(parties, counters, GRACE_MS, randomNumbers(seed));
    const hit = async (): Promise<boolean> => {
      for (const party of parties) party.hits = 0;
      await delay(500);
      return parties.every(({ hits }) => hits > 0);
    };
    try {
      await until(hit, 'hits of all processes');
      for (let round = 0; round < FAILOVERS; round++) {
        const replicas: RedisProcess[] = [];
        for (const node of nodes)
          if (String(await node.command('INFO', 'replication')).includes('role:slave')) replicas.push(node);
        await replicas[round % replicas.length]!.command('CLUSTER', 'FAILOVER');
        await delay(1_000);
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
      for (const { application } of parties) expect(application.lines.join('\n')).toMatch(/another history/);
    } finally {
      await fleet.stop();
      for (const { application } of parties) await application.close();
      for (const node of nodes) await node.stop();
    }
  },
  120_000 + FAILOVERS * 30_000,
);
