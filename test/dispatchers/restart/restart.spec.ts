import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { redisStore } from '../../../lib/redis.js';
import { endOwnServers } from '../../servers/own.mjs';
import { serverUrl } from '../../servers/url.js';
import { soaked } from '../../support/randomised.js';
import { until } from '../support/world.js';
import { brokerOf, Scene } from './scene.js';
import type { TransportName } from '../support/transports.js';

jest.setTimeout(180_000);

const ROUNDS = soaked(10);

let open: Scene[] = [];
const start = async (...args: Parameters<typeof Scene.start>): Promise<Scene> => {
  const scene = await Scene.start(...args);
  open.push(scene);
  return scene;
};

// It takes its time, and the others need not wait for it.
void brokerOf('RabbitMQ').catch(() => undefined);

afterEach(async () => {
  for (const scene of open) await scene.close();
  open = [];
});
afterAll(() => endOwnServers());

describe.each<TransportName>(['bullmq', 'pg-boss', 'outbox', 'RabbitMQ'])('%s', (transport) => {
  it('loses no job when its broker is killed and restarted', async () => {
    const broker = await brokerOf(transport);
    const [withWorker, without] = [await start(transport), await start(transport)];
    await withWorker.work();
    await without.queueIsWritten();
    const changed = new Map<Scene, number[]>([
      [withWorker, []],
      [without, []],
    ]);
    for (let round = 0; round < ROUNDS; round++) {
      const items = new Map<Scene, { meanwhile: number; after: number }>();
      for (const [scene, ids] of changed) {
        const [before, meanwhile, after] = [
          await scene.cachedItem(),
          await scene.cachedItem(),
          await scene.cachedItem(),
        ];
        items.set(scene, { meanwhile, after });
        ids.push(before, meanwhile, after);
        await scene.change(before);
      }
      await broker.kill();
      for (const [scene, { meanwhile }] of items) await scene.changeMeanwhile(meanwhile);
      await broker.start();
      for (const [scene, { meanwhile, after }] of items) {
        await scene.changeAtLast(meanwhile);
        await scene.changeAtLast(after);
      }
      await withWorker.becomesFresh(changed.get(withWorker)!);
    }
    const waiting = changed.get(without)!;
    for (const id of waiting) expect(await without.text(id)).toBe('old');
    await without.work();
    await without.becomesFresh(waiting);
  });
});

describe.each<TransportName>(['bullmq', 'pg-boss', 'outbox', 'RabbitMQ'])('%s', (transport) => {
  it('gives the running job of a killed worker to another worker', async () => {
    const scene = await start(transport, { store: redisStore({ url: serverUrl('redis') }) });
    const worker = scene.hang();
    const id = await scene.cachedItem();
    await scene.change(id);
    await worker.hasTaken();
    await worker.kill();
    expect(await scene.text(id)).toBe('old');
    await scene.leaseEnds();
    await scene.work();
    await scene.becomesFresh([id]);
  });
});

describe('NATS, which delivers at most once', () => {
  /** Changes until a worker was told, whose subscription is at the server some time after it started. */
  const changeUntil = (
    scene: Scene,
    id: number,
    text: string,
    told: () => Promise<boolean>,
  ): Promise<void> => {
    let changes = 0;
    return until(async () => {
      await scene.change(id, `${text} ${++changes}`);
      return told();
    }, `a worker is told of ${text}`);
  };
  const reachTheWorker = (scene: Scene, id: number, text: string): Promise<void> =>
    changeUntil(scene, id, text, async () => (await scene.text(id))?.startsWith(text) === true);

  it('reaches its workers again after an outage of the broker, and delays no write during it', async () => {
    const broker = await brokerOf('NATS');
    const scene = await start('NATS');
    await scene.work();
    const id = await scene.cachedItem();
    await reachTheWorker(scene, id, 'before');
    for (let round = 0; round < ROUNDS; round++) {
      await broker.kill();
      await scene.change(id, `meanwhile ${round}`);
      await broker.start();
      await reachTheWorker(scene, id, `after ${round}`);
    }
  });

  it('loses the running job of a killed worker, and reaches the next worker', async () => {
    const scene = await start('NATS', { store: redisStore({ url: serverUrl('redis') }) });
    const worker = scene.hang();
    const [lost, next] = [await scene.cachedItem(), await scene.cachedItem()];
    await changeUntil(scene, lost, 'new', async () => worker.saidTaken());
    await worker.kill();
    await scene.work();
    await reachTheWorker(scene, next, 'new');
    expect(await scene.text(lost)).toBe('old');
  });

  it('leaves no stale entry if tags are bumped at commit, whatever it loses', async () => {
    const broker = await brokerOf('NATS');
    const scene = await start('NATS', { rule: {} });
    const [withoutWorker, withoutBroker] = [await scene.cachedItem(), await scene.cachedItem()];
    await scene.change(withoutWorker);
    expect(await scene.text(withoutWorker)).toBe('new');
    await broker.kill();
    await scene.change(withoutBroker);
    expect(await scene.text(withoutBroker)).toBe('new');
    await broker.start();
  });
});
