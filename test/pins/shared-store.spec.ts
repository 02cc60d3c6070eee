import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from '@jest/globals';
import type { CacheStore } from '../../lib/index.js';
import { redisStore, type CompressionOptions } from '../../lib/redis.js';
import { start } from '../http/support/application.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';
import { uniqueName } from '../support/unique.js';
import { expectPinned } from './support/pin.js';
import { describeCommands, describeEntry, Fixed, RecordingRedis } from './support/recording-redis.js';
import { Responses, VALUES, Values } from './support/stored-values.js';

let redis: RecordingRedis;
let namespace: string;
let fixed: Fixed;

beforeAll(() => {
  redis = new RecordingRedis(serverUrl('redis'));
});
afterAll(() => redis.disconnect());
beforeEach(async () => {
  // Short, because it stands in every line.
  namespace = uniqueName('pins').slice(0, 13);
  const id = /^master_replid:(\w+)/m.exec(await redis.info('replication'))![1]!;
  await redisStore({ client: redis }).ready?.();
  fixed = new Fixed(namespace, `${await redis.get(`restflow:history:${id}`)}`);
});
afterEach(async () => {
  const keys = await redis.keys(`${namespace}*`);
  if (keys.length > 0) await redis.del(...keys);
});

async function store(compression?: CompressionOptions): Promise<CacheStore> {
  const opened = redisStore({ client: redis, compression });
  await opened.ready?.();
  redis.take();
  return opened;
}

/** The commands of a call, when the last of them is on its way. */
async function commandsOf(
  call: () => Promise<unknown>,
  isLast: (name: string, key: string) => boolean,
): Promise<string> {
  redis.take();
  await call();
  const commands: ReturnType<RecordingRedis['take']> = [];
  await until(() => {
    commands.push(...redis.take());
    return commands.some(([name, [key]]) => isLast(name, String(key)));
  });
  return describeCommands(commands, fixed);
}

const storing = (name: string, key: string): boolean => name === 'set' && key.startsWith(`${namespace}:e:`);
const publishing = (name: string): boolean => name === 'publish';

async function withValues<T>(
  compression: CompressionOptions | undefined,
  work: (app: TestApplication, values: Values) => Promise<T>,
): Promise<T> {
  const app = await TestApplication.start([Values], {
    store: await store(compression),
    namespace,
    application: 'app',
    dataSources: false,
  });
  try {
    return await work(app, app.get(Values));
  } finally {
    await app.close();
  }
}

describe('a shared store holds what is pinned:', () => {
  it('keys, lifetimes and messages of Redis', async () => {
    const text = await withValues(undefined, async ({ cache }, values) => {
      const method = cache.for(Values, 'value');
      const steps: readonly [string, () => Promise<unknown>, typeof storing][] = [
        ['a miss', () => values.value('text'), storing],
        ['a miss of another key', () => values.value('number'), storing],
        ['stale for a while', () => values.stale(), storing],
        ['without expiry', () => values.forever(), storing],
        ['with a distributed lock', () => values.locked(), (name) => name === 'eval'],
        ['set by hand', () => cache.set('by hand', 1, { tags: ['a tag'] }), storing],
        ['deleteCache', () => method.deleteCache('text'), publishing],
        ['deleteByPrefix', () => method.deleteByPrefix({ name: 'text' }), publishing],
        ['an expiring tag', () => cache.invalidateTags(['a tag'], { mode: 'expire' }), publishing],
        ['clear', () => cache.clear(), publishing],
      ];
      const lines: string[] = [];
      for (const [title, call, isLast] of steps)
        lines.push(`# ${title}\n\n${await commandsOf(call, isLast)}`);
      return lines.join('\n\n');
    });
    expectPinned('formats/redis.txt', text);
  });

  it('entries of values', async () => {
    const text = await withValues(undefined, async ({ cache }, values) => {
      const lines: string[] = [];
      for (const name of Object.keys(VALUES)) {
        await commandsOf(() => values.value(name), storing);
        const stored = await redis.getBuffer(cache.for(Values, 'value').getCacheKey(name));
        lines.push(`# ${name}\n\n${describeEntry(stored!, fixed)}`);
      }
      return lines.join('\n\n');
    });
    expectPinned('formats/entries.txt', text);
  });

  it.each(['gzip', 'brotli'] as const)('entries compressed with %s', async (algorithm) => {
    const text = await withValues({ algorithm, threshold: 100 }, async ({ cache }, values) => {
      await commandsOf(() => values.large(), storing);
      const stored = await redis.getBuffer(cache.for(Values, 'large').getCacheKey());
      return describeEntry(stored!, fixed);
    });
    expectPinned(`formats/entries-${algorithm}.txt`, text);
  });

  it('entries of responses', async () => {
    const app = await start('express', {
      controllers: [Responses],
      cache: { store: await store(), namespace, application: 'app' },
    });
    try {
      const lines: string[] = [];
      for (const path of ['/text/1', '/json', '/tagged', '/headers']) {
        await commandsOf(() => app.get(path, { host: 'example.com', 'x-tenant': 'acme' }), storing);
        const [key] = (await redis.keys(`${namespace}:e:*`)) as [string];
        lines.push(`# ${path}\n\n${fixed.text(key)}\n${describeEntry((await redis.getBuffer(key))!, fixed)}`);
        await redis.del(key);
      }
      expectPinned('formats/entries-of-responses.txt', lines.join('\n\n'));
    } finally {
      await app.close();
    }
  });
});
