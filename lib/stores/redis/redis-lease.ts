import { randomUUID } from 'node:crypto';
import type { Lease, StoreHost } from '../store.interface.js';
import type { RedisExecutor } from './redis-commands.js';

/** A holder that crashed keeps others waiting for at most this long. Milliseconds. */
const LEASE_MS = 3_000;

const RENEW_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;
const RELEASE_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** Takes a lease in Redis, and renews it while its holder lives; `undefined` when another holds it. */
export async function acquireLease(
  executor: RedisExecutor,
  host: StoreHost,
  key: string,
): Promise<Lease | undefined> {
  const token = randomUUID();
  const [answer] = await executor.runAll([['set', key, token, 'PX', LEASE_MS, 'NX']]);
  if (answer !== 'OK') return undefined;
  let cancel = (): void => undefined;
  const renew = (): void => {
    cancel = host.after(LEASE_MS / 3, () => {
      executor.runAll([['eval', RENEW_SCRIPT, 1, key, token, LEASE_MS]]).catch(() => undefined);
      renew();
    });
  };
  renew();
  return {
    async release() {
      cancel();
      await executor.runAll([['eval', RELEASE_SCRIPT, 1, key, token]]).catch(() => undefined);
    },
  };
}
