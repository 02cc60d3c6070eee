import { expect, it, jest } from '@jest/globals';
import { OutboxRelay } from '../../lib/dispatchers/outbox/outbox-relay.js';
import type { Claim } from '../../lib/dispatchers/outbox/outbox-table.js';
import { InvalidationJobError } from '../../lib/index.js';
import { until } from './support/world.js';

jest.setTimeout(30_000);

const OPTIONS = { pollInterval: 10, batch: 2, attempts: 3 };

/** An outbox that holds these jobs. */
function outboxOf(claims: Claim[], claim = async (): Promise<Claim[]> => claims.splice(0, 2)) {
  return {
    dataSource: { isInitialized: true, driver: {} },
    claim,
    remove: async () => undefined,
    bury: async () => undefined,
  };
}

it('a relay whose database does not answer does not block the shutdown of the application', async () => {
  const silent = outboxOf([], () => new Promise(() => undefined));
  const relay = new OutboxRelay(silent as never, { namespace: 'n' } as never, OPTIONS);
  relay.start();
  await relay.close();
});

it('any number of jobs that are dead for the same reason make one log line', async () => {
  const topics: string[] = [];
  const host = {
    namespace: 'n',
    failed: (topic: string) => topics.push(topic),
    handle: ({ id }: { id: string }) => {
      throw new InvalidationJobError('JOB_NAMESPACE', `The invalidation job ${id} is of another namespace`);
    },
  };
  const claims = Array.from({ length: 6 }, (_, i) => ({ id: `${i}`, job: `{"id":"${i}"}`, attempts: 0 }));
  const relay = new OutboxRelay(outboxOf(claims) as never, host as never, OPTIONS);
  relay.start();
  await until(() => topics.length === 6, 'all jobs are dead');
  await relay.close();
  expect(new Set(topics)).toEqual(new Set(['outbox dead JOB_NAMESPACE']));
});
