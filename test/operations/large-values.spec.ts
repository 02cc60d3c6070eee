import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import { reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';

afterAll(reapProcesses);

const BYTES_PER_SECOND = 4 * 1024 * 1024;
const TICK_MS = 10;

/** Each connection carries so many bytes in a second to the server, and all that it answers. */
async function slowLink(port: number): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((client: Socket) => {
    const target = connect(port, '127.0.0.1');
    const end = (): void => (client.destroy(), void target.destroy());
    for (const socket of [client, target]) socket.on('error', end).on('close', end);
    target.pipe(client);
    const carry = async (): Promise<void> => {
      for await (const chunk of client as AsyncIterable<Buffer>) {
        target.write(chunk);
        await delay(
          (chunk.length / BYTES_PER_SECOND) * 1_000 < 1
            ? 0
            : Math.max(TICK_MS, (chunk.length / BYTES_PER_SECOND) * 1_000),
        );
      }
    };
    carry().catch(end);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

it('a value of 10 MB on a slow link takes no other key out of the cache', async () => {
  const redis = await RedisProcess.start();
  const link = await slowLink(redis.port);
  const app = await TestApplication.start([], {
    store: redisStore({ url: `redis://127.0.0.1:${link.port}` }),
    application: 'large',
    version: '1',
    clock: systemClock,
  });
  const { cache, log } = app;
  try {
    await cache.getOrSet('small', async () => 1);
    const large = 'x'.repeat(10 * 1024 * 1024);
    const began = performance.now();
    let loads = 0;
    const load = async (): Promise<string> => (loads++, large);
    expect((await cache.getOrSet('large', load, { maxValueBytes: 20_000_000 })).length).toBe(large.length);
    // While it is on its way, and after.
    while (performance.now() - began < 1_500) {
      expect(await cache.getOrSet('small', async () => 2)).toBe(1);
      expect(cache.health().stores['default']).toMatchObject({ status: 'up' });
      await delay(20);
    }
    await until(() => log.warnings.length > 0, 'a line that says so', { seconds: 20 });
    expect(log.warnings).toEqual([
      expect.stringMatching(/took \d+ ms for a value of 10\d\d\d KiB.*loaded by every call/),
    ]);
    // No read waits for it, and it is not sent again.
    expect((await cache.getOrSet('large', load, { maxValueBytes: 20_000_000 })).length).toBe(large.length);
    expect(loads).toBe(2);
    expect(await cache.getOrSet('small', async () => 2)).toBe(1);
  } finally {
    await app.close();
    link.server.close();
    await redis.stop();
  }
}, 60_000);
