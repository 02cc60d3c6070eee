import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Counters } from './support/counters.js';
import { RedisProcess, reapProcesses } from './support/redis-process.js';
import { ShopApplication, strayLines } from './support/shop.js';
import { garbageServer, TcpProxy } from './support/tcp-proxy.js';
import { Traffic, type Findings, type Party } from './support/traffic.js';

/** Longer than by default: a machine that has other things to do must not pass for a Redis that is down. */
const STORE_TIMEOUT_MS = 600;
/** Of the bus, and some for a machine that has other things to do. */
const HEARTBEAT_MS = 1_000 + 400;

/** What goes wrong, and how it ends. */
interface Scenario {
  readonly redis?: readonly string[];
  /** Before the applications start. */
  arrange?(scene: Scene): Promise<void>;
  /** While they run. */
  prepare?(scene: Scene): Promise<void>;
  disturb(scene: Scene): Promise<void> | void;
  restore(scene: Scene): Promise<void> | void;
  /** How long it lasts, in milliseconds. Default 1,500. */
  readonly lasts?: number;
  /** What each application logs, line by line. */
  readonly says: readonly RegExp[];
  /** It has steps, of which a busy machine makes outages of their own: so often at most it is told. Default 1. */
  readonly outages?: number;
  /** It may be over before an outage is reported. */
  readonly isBrief?: boolean;
  /** How often Redis begins another history; each is told in one line. Default 0. */
  readonly histories?: number;
}

interface Scene {
  readonly redis: RedisProcess;
  readonly proxy: TcpProxy;
  /** Undone at the end. */
  readonly undo: (() => unknown)[];
  other?: RedisProcess;
}

/** About as many bytes as there is room for, so that anything is evicted. */
const FILL_SCRIPT = `for i = 1, 1000 do redis.call('SET', 'filler:' .. i, string.rep('x', 300)) end`;

/** By default a master waits five seconds before it sends what it holds to a new replica. */
const SYNCS_AT_ONCE = ['--repl-diskless-sync-delay', '0'];

/**
 * A master begins another history with its first replica, and so does a replica that is promoted before it is in sync: these are no
 * failovers, and must be over before one begins.
 */
async function hasSynced(replica: RedisProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (String(await replica.command('INFO', 'replication')).includes('master_link_status:up')) return;
    await delay(50);
  }
  throw new Error('The replica was not in sync after ten seconds.');
}

const GOES_AND_RETURNS = [/store is down/, /store is back/];
const OTHER_HISTORY = /another history/;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'is killed and comes back empty': {
    disturb: ({ redis }) => redis.kill(),
    restore: ({ redis }) => redis.start(),
    // The proxy still takes connections, and closes them: none is refused.
    says: [/store is down: the connection to Redis was lost\b/, /store is back/],
    histories: 1,
  },
  'is paused': {
    disturb: ({ redis }) => redis.pause(),
    restore: ({ redis }) => redis.resume(),
    says: GOES_AND_RETURNS,
  },
  'comes back with an old dump': {
    prepare: ({ redis }) => redis.dump(),
    async disturb({ redis }) {
      await redis.kill();
      redis.restoreDump();
    },
    restore: ({ redis }) => redis.start(),
    says: GOES_AND_RETURNS,
    histories: 1,
  },
  'comes back with an old dump at once': {
    prepare: ({ redis }) => redis.dump(),
    async disturb({ redis }) {
      await redis.kill();
      redis.restoreDump();
      await redis.start();
    },
    restore: () => undefined,
    lasts: 100,
    says: GOES_AND_RETURNS,
    isBrief: true,
    histories: 1,
  },
  'fails over to a replica that lags, and back': {
    redis: SYNCS_AT_ONCE,
    async arrange(scene) {
      const master = ['127.0.0.1', String(scene.redis.port)];
      const replica = await RedisProcess.start('--replicaof', ...master, ...SYNCS_AT_ONCE);
      scene.other = replica;
      scene.undo.push(() => replica.stop());
      await hasSynced(replica);
    },
    async disturb({ redis, proxy, other }) {
      // The replica stops hearing, and later takes over without what came in between.
      await other!.command('REPLICAOF', '127.0.0.1', '1');
      await delay(500);
      await other!.command('REPLICAOF', 'NO', 'ONE');
      await redis.command('REPLICAOF', '127.0.0.1', String(other!.port));
      proxy.leadTo(other!.port);
    },
    async restore({ redis, proxy, other }) {
      await hasSynced(redis);
      await redis.command('REPLICAOF', 'NO', 'ONE');
      await other!.command('REPLICAOF', '127.0.0.1', String(redis.port));
      proxy.leadTo(redis.port);
    },
    says: GOES_AND_RETURNS,
    outages: 4,
    isBrief: true,
    histories: 2,
  },
  'is demoted under the connections it has': {
    async prepare(scene) {
      const master = await RedisProcess.start();
      scene.other = master;
      scene.undo.push(() => master.stop());
    },
    disturb: async ({ redis, other }) => {
      await redis.command('REPLICAOF', '127.0.0.1', String(other!.port));
    },
    restore: async ({ redis }) => {
      await redis.command('REPLICAOF', 'NO', 'ONE');
    },
    lasts: 2_500,
    says: [/store is down: the server is a replica, not the master/, /store is back/],
    outages: 3,
    histories: 1,
  },
  'takes no writes': {
    disturb: async ({ redis }) => {
      await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
    },
    restore: async ({ redis }) => {
      await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
    },
    says: [/refuses writes/, /accepts writes again/],
  },
  'is full, and evicts what it likes': {
    async disturb({ redis, undo }) {
      const used = Number(/used_memory:(\d+)/.exec(String(await redis.command('INFO', 'memory')))![1]);
      await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
      await redis.command('CONFIG', 'SET', 'maxmemory', used + 400_000);
      const fill = (): Promise<unknown> => redis.command('EVAL', FILL_SCRIPT, 0).catch(() => undefined);
      const timer = setInterval(() => void fill(), 100);
      undo.unshift(() => clearInterval(timer));
    },
    restore: async ({ redis }) => {
      await redis.command('CONFIG', 'SET', 'maxmemory', 0);
    },
    says: [],
  },
  'is replaced by a server that answers garbage': {
    async disturb(scene) {
      const garbage = await garbageServer();
      scene.undo.push(() => garbage.close());
      scene.proxy.leadTo(garbage.port);
    },
    restore: ({ proxy, redis }) => proxy.leadTo(redis.port),
    says: GOES_AND_RETURNS,
  },
  'is behind connections that are half open': {
    disturb: ({ proxy }) => proxy.silence(true),
    restore: ({ proxy }) => proxy.silence(false),
    says: GOES_AND_RETURNS,
  },
  'no longer tells the bus, on a connection that looks open': {
    disturb: ({ proxy }) => proxy.freeze('subscribe'),
    restore: () => undefined,
    lasts: 2_500,
    says: [],
  },
};

/** Whether all serve from their stores again. */
async function hitEverywhere(parties: readonly Party[], ms: number): Promise<boolean> {
  const before = parties.map(({ hits }) => hits);
  await delay(ms);
  return parties.every(({ hits }, at) => hits > before[at]! + 5);
}

async function play(
  scenario: Scenario,
): Promise<{ findings: Findings; lines: readonly string[][]; hitsAfter: number }> {
  const redis = await RedisProcess.start('--enable-debug-command', 'yes', ...(scenario.redis ?? []));
  const proxy = await TcpProxy.to(redis.port);
  const scene: Scene = { redis, proxy, undo: [() => proxy.close(), () => redis.stop()] };
  const counters = new Counters();
  const l2 = (): ReturnType<typeof redisStore> => redisStore({ url: proxy.url, timeout: STORE_TIMEOUT_MS });
  const parties: Party[] = [];
  try {
    await scenario.arrange?.(scene);
    for (const [name, lag, store] of [
      ['redis', 0, l2()],
      ['bus', HEARTBEAT_MS, tieredStore({ l1: memoryStore(), l2: l2() })],
      ['validate', 0, tieredStore({ l1: memoryStore(), l2: l2(), consistency: 'validate' })],
    ] as const) {
      parties.push({ name, lag, hits: 0, application: await ShopApplication.start(counters, store) });
    }
    const traffic = new Traffic(counters, parties);
    await delay(400);
    await scenario.prepare?.(scene);
    await delay(300);
    await scenario.disturb(scene);
    await delay(scenario.lasts ?? 1_500);
    await scenario.restore(scene);
    // The breaker asks again after a second, connections that are silent are given up after three.
    await delay(1_500);
    for (let waited = 0; waited < 20 && !(await hitEverywhere(parties, 200)); waited++);
    const { hits } = traffic.findings;
    await delay(500);
    const findings = await traffic.stop();
    const hitsAfter = findings.hits - hits;
    await delay(HEARTBEAT_MS);
    await traffic.readAll();
    return { findings, lines: parties.map(({ application }) => [...application.lines]), hitsAfter };
  } finally {
    for (const { application } of parties) await application.close();
    for (const undo of scene.undo) await undo();
  }
}

afterAll(reapProcesses);

describe('no call fails or waits long, and nothing stale is served, when Redis', () => {
  it.concurrent.each(Object.keys(SCENARIOS))(
    '%s',
    async (name) => {
      const scenario = SCENARIOS[name]!;
      const { findings, lines, hitsAfter } = await play(scenario);
      if (process.env['SOAK'] === '1') process.stderr.write(`${name}: ${JSON.stringify(findings)}\n`);
      expect(findings.stale).toEqual([]);
      expect(findings.failures).toEqual([]);
      expect(findings.reads).toBeGreaterThan(0);
      expect(hitsAfter).toBeGreaterThan(0);
      // Where the machine itself stood still, Redis was away more often than the scenario says, and reads took longer.
      if (findings.stalled > STORE_TIMEOUT_MS / 3) return;
      expect(findings.reads).toBeGreaterThan(300);
      expect(hitsAfter).toBeGreaterThan(20);
      expect(findings.slowest).toBeLessThan(4 * STORE_TIMEOUT_MS);
      for (const all of lines) {
        const { says, outages = 1, isBrief = false, histories = 0 } = scenario;
        const said = all.filter((line) => !OTHER_HISTORY.test(line));
        expect(all.length - said.length).toBe(histories);
        expect(said.length).toBeGreaterThanOrEqual(isBrief ? 0 : says.length);
        expect(said.length).toBeLessThanOrEqual(says.length * outages);
        said.forEach((line, at) => expect(line).toMatch(says[at % says.length]!));
      }
    },
    120_000,
  );

  it('the store alone speaks of it', () => {
    expect(strayLines).toEqual([]);
  });
});
