import { pause } from '../../common/async.js';
import { Entry, hasLeases, type Lease } from '../../stores/store.interface.js';
import { type Call, isRefreshDue } from './call.js';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import type { Load } from './loads.js';
import { carriesTagsOf } from './store-reader.js';

/** Milliseconds between two reads of a process that waits for another one's value. */
const POLL_MS = 40;

/** Milliseconds after which a waiting process loads by itself. */
const MAX_WAIT_MS = 10_000;

/**
 * The same for a load that may hold up the process it waits for: two processes that load two keys inside each other in opposite order
 * would wait for each other. Leases that are taken in the order of their keys cannot form such a circle, so only loads that take them in
 * another order wait this shortly. Milliseconds.
 */
const MAX_NESTED_WAIT_MS = 500;

/** The lease to load under, or the entry that another process loaded. Neither if the store has no leases, or fails. */
export interface FleetLock {
  readonly lease?: Lease;
  readonly entry?: Entry;
}

/**
 * Waits until this process may load a key, or another process has loaded it (`lock: 'distributed'`). The entry of another process
 * is read like any other, so it counts only if its stamp is current. Without leases, or if the store fails, loads go on unlocked.
 */
export async function waitForFleetLock(
  clock: Clock,
  log: OnceLog,
  call: Call,
  load: Load,
): Promise<FleetLock> {
  const { name, store, topic } = call.target;
  if (!hasLeases(store)) return {};
  const { heldLease } = load.context;
  const isOrdered = heldLease === undefined || heldLease < call.key;
  const wait = isOrdered ? MAX_WAIT_MS : MAX_NESTED_WAIT_MS;
  const deadline = clock.now() + wait;
  let lease: Lease | undefined;
  load.awaitsLease = true;
  try {
    while (clock.now() < deadline) {
      lease = await store.acquire(lockKey(call.key));
      const reading = await store.get(call);
      if (reading instanceof Entry && reading.isFresh(clock.now()) && carriesTagsOf(call, reading)) {
        await lease?.release();
        return { entry: reading };
      }
      if (lease !== undefined) {
        load.context.holdLease(call.key);
        return { lease };
      }
      call.target.seat?.leave();
      await pause(clock, POLL_MS);
    }
    log.warn(
      `lease ${topic}`,
      `A call of ${name} waited ${wait} ms for another process that loads its key, and loads by itself` +
        (isOrdered
          ? ': the other process is slow, or was stopped.'
          : ': it runs inside a load with a lease, and each process might wait for the other.'),
    );
  } catch {
    // The store logs its failures itself: loads go on without it.
  } finally {
    load.awaitsLease = false;
  }
  return lease === undefined ? {} : { lease };
}

/**
 * Takes the lease to refresh a key, unless another process holds it (`'taken'`) or has refreshed the key: the entry at hand may be
 * an old one from the memory of this process. Without leases every process refreshes.
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

/** Key of the lease. No key of an entry ends like this. */
function lockKey(key: string): string {
  return `${key}|lock`;
}
