import { pause } from '../../common/async.js';
import { Entry, hasLeases, type Lease } from '../../stores/store.interface.js';
import { type Call, isRefreshDue } from './call.js';
import type { Clock } from '../../common/time.js';
import { carriesTagsOf } from './store-reader.js';

/** How often a process that waits looks whether the value is there, in milliseconds. */
const POLL_MS = 40;

/** A process that waited this long loads by itself. Milliseconds. */
const MAX_WAIT_MS = 10_000;

/** What waiting for the rest of the fleet brought: the right to load, a value somebody else loaded, or neither. */
export interface FleetLock {
  readonly lease?: Lease;
  readonly entry?: Entry;
}

/**
 * Waits until this process may load a key, or another process has loaded it (`lock: 'distributed'`). An entry of another
 * process counts only if its stamp is current when it is read, like any other. A store without leases, or one that
 * fails, grants everything.
 */
export async function waitForFleetLock(clock: Clock, call: Call): Promise<FleetLock> {
  const { store } = call.target;
  if (!hasLeases(store)) return {};
  const deadline = clock.now() + MAX_WAIT_MS;
  let lease: Lease | undefined;
  try {
    while (clock.now() < deadline) {
      lease = await store.acquire(lockKey(call.key));
      const reading = await store.get(call);
      if (reading instanceof Entry && reading.isFresh(clock.now()) && carriesTagsOf(call, reading)) {
        await lease?.release();
        return { entry: reading };
      }
      if (lease !== undefined) return { lease };
      call.target.seat?.leave();
      await pause(clock, POLL_MS);
    }
  } catch {
    // The store fails, and has told so: loads go on without it.
  }
  return lease === undefined ? {} : { lease };
}

/**
 * Takes the right to refresh a key, unless another process is about to, or has done it since the entry at hand was
 * stored: this process may have it in its memory still. Without leases everybody may go on.
 */
export async function tryFleetLock(clock: Clock, call: Call): Promise<FleetLock | 'taken'> {
  const { store } = call.target;
  if (!hasLeases(store)) return {};
  let lease: Lease | undefined;
  try {
    lease = await store.acquire(lockKey(call.key));
    if (lease === undefined) return 'taken';
    const reading = await (store.getShared?.(call) ?? store.get(call));
    const now = clock.now();
    if (!(reading instanceof Entry) || !carriesTagsOf(call, reading)) return { lease };
    if (!reading.isFresh(now) || isRefreshDue(call.target.policy, reading, now)) return { lease };
    await lease.release();
    return { entry: reading };
  } catch {
    return lease === undefined ? {} : { lease };
  }
}

/** Under this key stands who loads; entries end otherwise. */
function lockKey(key: string): string {
  return `${key}|lock`;
}
