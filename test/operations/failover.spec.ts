import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Counters } from '../fleet/support/counters.js';
import { reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { ShopApplication } from '../fleet/support/shop.js';
import { TcpProxy } from '../fleet/support/tcp-proxy.js';
import { announce, randomNumbers, seed } from '../support/randomised.js';
import { until } from '../support/until.js';
import { FailoverFleet, type Party } from './support/failover-fleet.js';

const GRACE_MS = 5_000;
/** Each process moves, and the old master is demoted, within this time: the grace exceeds it. */
const MOVE_MS = 3_000;
const FAILOVERS = process.env['SOAK'] === '1' ? 20 : 2;
const HEARTBEAT_MS = 1_000 + 400;

afterAll(reapProcesses);

const PROMISE =
  'a failover in which each process moves at its own moment, or dies before, serves nothing stale after the grace';

it(
  PROMISE,
  async () => {
    announce(PROMISE, FAILOVERS);
    const random = randomNumbers(seed);
    const first = await RedisProcess.start();
    const second = await RedisProcess.start('--replicaof', '127.0.0.1', String(first.port));
    let [master, replica] = [first, second];
    const counters = new Counters();
    const proxies = new Map<Party, TcpProxy>();
    const start = async (kind: 'redis' | 'bus' | 'validate', name: string): Promise<Party> => {
      const proxy = await TcpProxy.to(master.port);
      const l2 = redisStore({ url: proxy.url, timeout: 600, failoverGrace: `${GRACE_MS}ms` });
      const store = kind === 'redis' ? l2 : tieredStore({ l1: memoryStore(), l2, consistency: kind });
      const application = await ShopApplication.start(counters, store);
      const lag = kind === 'bus' ? HEARTBEAT_MS : 50;
      const party = { name, application, store, lag, isDead: false, hits: 0, epoch: undefined, since: 0 };
      proxies.set(party, proxy);
      return party;
    };
    // The first replica of a Redis begins another history there.
    await until(async () =>
      String(await second.command('INFO', 'replication')).includes('master_link_status:up'),
    );
    const fleet = new FailoverFleet(
      await Promise.all([
        start('redis', 'redis A'),
        start('redis', 'redis B'),
        start('bus', 'bus'),
        start('validate', 'validate'),
      ]),
      counters,
      GRACE_MS,
      random,
    );
    let killed = 0;
    try {
      await delay(1_500);
      for (let round = 0; round < FAILOVERS; round++) {
        const [old, next] = [master, replica];
        // Promoted while the old master goes on: they are split until the old one is demoted.
        await next.command('REPLICAOF', 'NO', 'ONE');
        const living = fleet.parties.filter(({ isDead }) => !isDead);
        const victim = living[Math.floor(random() * living.length)]!;
        const order = living.map(() => random());
        const move = async (party: Party, at: number): Promise<void> => {
          // One after the other, the first at once.
          const earlier = order.filter((one) => one < order[at]!).length;
          await delay((earlier * 0.9 + random() * 0.1) * (MOVE_MS / living.length));
          if (party === victim) {
            party.isDead = true;
            proxies.get(party)!.leadTo(1);
            killed++;
            return;
          }
          // Sockets to the old master may stay open: its demotion is then noticed by the role.
          proxies.get(party)!.leadTo(next.port, { cut: random() < 0.75 });
        };
        const demote = async (): Promise<void> => {
          await delay(MOVE_MS * (0.8 + 0.2 * random()));
          await old.command('REPLICAOF', '127.0.0.1', String(next.port));
        };
        await Promise.all([...living.map(move), demote()]);
        [master, replica] = [next, old];
        const kind = victim.name.split(' ')[0] as 'redis' | 'bus' | 'validate';
        fleet.join(await start(kind, `${kind} of round ${round}`));
        await delay(GRACE_MS + 1_500);
      }
      await delay(500);
      for (const party of fleet.parties) party.hits = 0;
      await delay(700);
      const idle = fleet.parties.filter(({ isDead, hits }) => !isDead && hits === 0).map(({ name }) => name);
      await fleet.stop();
      process.stderr.write(
        `${fleet.reads} reads, ${fleet.hits} hits, ${fleet.writes} writes, ${killed} killed, ${fleet.stale.length} stale\n`,
      );
      expect(fleet.stale.slice(0, 10)).toEqual([]);
      expect(fleet.failures).toEqual([]);
      expect(idle).toEqual([]);
      expect(fleet.hits).toBeGreaterThan(fleet.reads / 10);
      for (const { application, isDead } of fleet.parties) {
        if (isDead) continue;
        const told = application.lines.filter((line) => /another history/.test(line));
        expect(told.length).toBeLessThanOrEqual(FAILOVERS);
      }
    } finally {
      await fleet.stop();
      for (const [{ application }, proxy] of proxies) {
        await application.close();
        await proxy.close();
      }
      await Promise.all([first.stop(), second.stop()]);
    }
  },
  60_000 + FAILOVERS * 15_000,
);
