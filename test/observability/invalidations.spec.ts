import { describe, expect, it } from '@jest/globals';
import { metricsReport } from '../../lib/cache/store-set.js';
import type { Dispatcher, InvalidationJob } from '../../lib/index.js';
import { InvalidationRule } from '../../lib/index.js';
import { bulk, inserted, updated, User } from '../invalidation/support/changes.js';
import { World, type WorldOptions } from '../invalidation/support/world.js';

const byUser = { entity: User, fieldMapping: { user: 'id' } } as const;

function world(rule: object, options?: WorldOptions) {
  const one = new World([new InvalidationRule({ ...byUser, ...rule })], options);
  const metrics = () => metricsReport(one.runtime);
  return { one, metrics, counted: () => metrics().invalidation };
}

const NOTHING = { bumps: 0, tags: 0, failures: 0, changes: 0, widened: 0, ruleErrors: 0 };

describe('the metrics of invalidations', () => {
  // The fourth is that of readers who spell an id in another way than the database does.
  it('count changes, and one bump for each commit', async () => {
    const { one, counted } = world({});
    expect(counted()).toEqual(NOTHING);
    await one.commit(inserted({ id: 1 }), updated({ id: 2 }, { id: 3 }));
    expect(counted()).toEqual({ ...NOTHING, changes: 2, bumps: 1, tags: 4 });
  });

  it('count commits after which a rule drops all of its method', async () => {
    const { one, counted } = world({});
    await one.commit(bulk());
    await one.commit(inserted({ id: 1 }));
    expect(counted()).toEqual({ ...NOTHING, changes: 2, widened: 1, bumps: 2, tags: 3 });
  });

  it('do not count rules as widened that drop everything by declaration', async () => {
    const { one, counted } = world({ fieldMapping: undefined, scope: 'all' });
    await one.commit(bulk());
    expect(counted()).toMatchObject({ widened: 0, bumps: 1 });
  });

  it('count failures of rules, and the bumps that follow from them', async () => {
    const { one, counted } = world({
      fieldMapping: undefined,
      invalidator: () => {
        throw new Error('no');
      },
    });
    await one.commit(inserted({ id: 1 }));
    expect(counted()).toMatchObject({ ruleErrors: 1, widened: 1, bumps: 1 });
  });

  it('count invalidations that the store did not accept', async () => {
    const { one, counted } = world({});
    const store = one.runtime.settings.stores.get('default')!;
    store.bump = () => Promise.reject(new Error('away'));
    await one.commit(inserted({ id: 1 }));
    expect(counted()).toMatchObject({ failures: expect.any(Number) });
    expect(counted().failures).toBeGreaterThan(0);
  });
});

/** Takes jobs, and does with them what the test says. */
class Taking implements Dispatcher {
  readonly taken: InvalidationJob[] = [];
  fails = false;

  dispatch(jobs: readonly InvalidationJob[]): void {
    if (this.fails) throw new Error('away');
    this.taken.push(...jobs);
  }
}

class Durable extends Taking {
  async enqueue(jobs: readonly InvalidationJob[]): Promise<void> {
    this.dispatch(jobs);
  }
}

describe.each([Taking, Durable])('the metrics of a dispatcher, %s', (Kind) => {
  it('count jobs that it was given, failures, and jobs that ran in this process', async () => {
    const mine = new Kind();
    const { one, metrics } = world({ dispatcher: 'mine' }, { dispatchers: { mine } });
    await one.transaction(inserted({ id: 1 }));
    await one.transaction(inserted({ id: 2 }));
    expect(metrics().dispatchers).toEqual({ mine: { jobs: 2, carriedOut: 0, failures: 0, waitingJobs: 0 } });
    mine.fails = true;
    await one.transaction(inserted({ id: 3 })).catch(() => undefined);
    expect(metrics().dispatchers['mine']).toMatchObject({ failures: 1 });
    for (const job of mine.taken) await one.service.handle(job, 'mine');
    await one.handle(mine.taken[0]);
    expect(metrics().dispatchers).toMatchObject({
      mine: { carriedOut: 2 },
      InvalidationWorker: { jobs: 0, carriedOut: 1, failures: 0 },
    });
  });
});

describe('the metrics of the inline dispatcher', () => {
  it('count jobs only for invalidations that a store did not accept at once', async () => {
    const { one, metrics } = world({});
    await one.commit(inserted({ id: 1 }));
    expect(metrics().dispatchers).toEqual({});
    const lazy = world({ eager: false });
    await lazy.one.commit(inserted({ id: 1 }));
    expect(lazy.metrics().dispatchers).toEqual({
      inline: { jobs: 1, carriedOut: 1, failures: 0, waitingJobs: 0 },
    });
    expect(lazy.counted()).toMatchObject({ bumps: 1 });
  });
});
