import { afterEach, expect, it } from '@jest/globals';
import type { CacheStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { settled } from '../support/gate.js';
import { uniqueName } from '../support/unique.js';

const applications: TestApplication[] = [];
afterEach(async () => {
  await Promise.all(applications.splice(0).map((application) => application.close()));
});

async function process(namespace: string): Promise<TestApplication> {
  const store: CacheStore = redisStore({ url: serverUrl('redis'), timeout: 5_000 });
  const application = await TestApplication.start([], { store, namespace, application: 'nested' });
  applications.push(application);
  return application;
}

const LOCKED = { lock: 'distributed' } as const;

it.each([
  ['a', 'b'],
  ['b', 'a'],
])(
  'processes that load two keys inside each other in opposite order do not wait for each other for long (%s, %s)',
  async (outer, inner) => {
    const namespace = uniqueName('nested');
    const [one, other] = [await process(namespace), await process(namespace)];
    let begun = 0;
    /** The inner load begins when both outer ones hold their leases. */
    const nested =
      ({ cache }: TestApplication, key: string) =>
      async (): Promise<string> => {
        begun++;
        while (begun < 2) await settled();
        return `around ${await cache.getOrSet(key, () => `${key} alone`, LOCKED)}`;
      };
    let isDone = false;
    const answers = Promise.all([
      one.cache.getOrSet(outer, nested(one, inner), LOCKED),
      other.cache.getOrSet(inner, nested(other, outer), LOCKED),
    ]).finally(() => (isDone = true));
    let simulated = 0;
    for (; !isDone && simulated < 30_000; simulated += 20) {
      for (const { clock } of [one, other]) clock.advance(20);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await answers).toHaveLength(2);
    // They waited ten seconds of their clock before.
    expect(simulated).toBeLessThan(2_000);
    const lines = [one, other].flatMap(({ log }) => log.warnings.filter((line) => line.includes('lease')));
    expect(lines).toEqual([expect.stringContaining('each process might wait for the other')]);
  },
);
