import { expect, it } from '@jest/globals';
import { memoryStore, type CacheStore } from '../../lib/index.js';
import { type Bus, type Lease, UNATTACHED } from '../../lib/stores/store.interface.js';
import { GuardedStore } from '../../lib/stores/guarded-store.js';
import { TestApplication } from '../support/application.js';
import { Deferred, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

/** A store that grants leases, when and as the test says. */
function leasing(
  held: Set<string>,
  granted: Promise<void> = Promise.resolve(),
): CacheStore & { acquire(key: string): Promise<Lease | undefined>; openBus(): Bus } {
  return Object.assign(memoryStore(), {
    openBus: () => undefined as never,
    acquire: async (key: string) => {
      await granted;
      if (held.has(key)) return undefined;
      held.add(key);
      return { release: async () => void held.delete(key) };
    },
  });
}

it('a lease that is granted after the timeout of its caller is given back', async () => {
  const held = new Set<string>();
  const granted = new Deferred();
  const clock = new ManualClock();
  const store = new GuardedStore(leasing(held, granted.promise), { timeout: 100 });
  store.attach({
    ...UNATTACHED,
    now: clock.now,
    after: (ms, run) => clock.after(ms, run),
  });
  const outcome = expect(store.acquire!('key')).rejects.toThrow('did not answer');
  clock.advance(201);
  await outcome;
  granted.resolve();
  await settled();
  expect(held.size).toBe(0);
});

it('a load gives its lease back, also where the store failed after granting it', async () => {
  const held = new Set<string>();
  const store = leasing(held);
  const application = await TestApplication.start([], { store });
  const get = store.get.bind(store);
  let reads = 0;
  store.get = (query) => {
    if (++reads > 1) throw new Error('down');
    return get(query);
  };
  expect(await application.cache.getOrSet('key', () => held.size, { lock: 'distributed' })).toBe(1);
  expect(held.size).toBe(0);
  await application.close();
});
