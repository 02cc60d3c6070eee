import { allOrFirstError, isThenable } from '../common/async.js';
import type { Clock } from '../common/time.js';
import { InvalidateEvent, type InvalidationCause, publishEvent } from '../observability/events.js';
import type {
  CacheCounters,
  CacheHealth,
  CacheMetrics,
  ChangeSourceState,
  DispatcherState,
  MethodCounters,
  StoreHealth,
  StoreMetrics,
} from '../observability/metrics.js';
import type { OnceLog } from '../observability/once-log.js';
import type { CacheStore, InvalidationMode } from '../stores/store.interface.js';
import type { KeySpace } from './key-space.js';

type Stores = ReadonlyMap<string, CacheStore>;

/** All stores of an application, by name, and what they run with. */
export interface StoreSettings {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly log: OnceLog;
}

/** Gives every store the clock, log and names of the application. */
export function attachStores({ clock, log, stores }: StoreSettings, space: KeySpace): void {
  const { namespace } = space;
  for (const [store, names] of namesOf(stores)) {
    store.attach?.({
      now: clock.now.bind(clock),
      after: clock.after.bind(clock),
      isManual: clock.isManual,
      log: (message) => log.notice(message),
      coarser: (tag) => space.coarser(tag),
      changed: (status, reason) =>
        publishEvent('store', () => ({ namespace, stores: names, kind: store.kind, status, reason })),
    });
  }
}

/** One store may have several names. */
function namesOf(stores: Stores): ReadonlyMap<CacheStore, readonly string[]> {
  const names = new Map<CacheStore, string[]>();
  for (const [name, store] of stores) names.set(store, [...(names.get(store) ?? []), name]);
  return names;
}

/** Removes all entries of an application from every store. After `clear()` they are unreachable, so a failure is only logged. */
export async function sweepStores({ log, stores }: StoreSettings, space: KeySpace): Promise<void> {
  for (const store of new Set(stores.values())) {
    try {
      await store.sweep(space.entries, () => true);
    } catch (error) {
      log.error(
        `sweep ${store.kind}`,
        `The ${store.kind} store did not remove all entries after clear(): they are never served, and expire at the end of their lifetimes`,
        error,
      );
    }
  }
}

/** Writes new generations for tags in every store, also after one has failed. */
export function bumpStores(
  stores: Stores,
  tags: readonly string[],
  mode: InvalidationMode,
): Promise<void> | undefined {
  const pending: Promise<unknown>[] = [];
  for (const store of new Set(stores.values())) {
    try {
      const bumped: unknown = store.bump(tags, mode);
      if (isThenable(bumped)) pending.push(Promise.resolve(bumped));
    } catch (error) {
      pending.push(Promise.reject(error as Error));
    }
  }
  return pending.length === 0 ? undefined : allOrFirstError(pending).then(() => undefined);
}

/** Input of the reports below. */
export interface ReportedCache {
  readonly counters: CacheCounters;
  readonly settings: { readonly namespace: string; readonly stores: ReadonlyMap<string, CacheStore> };
  readonly targets: Iterable<{ readonly counters: MethodCounters }>;
  readonly dispatcherStates: () => Readonly<Record<string, DispatcherState>>;
  readonly advice: () => readonly string[];
  readonly changeSourceStates: () => readonly ChangeSourceState[];
}

/** Counters of an application since its boot. */
export function metricsReport(cache: ReportedCache): CacheMetrics {
  const { counters, settings, targets } = cache;
  return {
    namespace: settings.namespace,
    methods: [...[...targets].map((target) => target.counters), counters.byHand].map((one) => one.report()),
    stores: byName(settings.stores, stateOf),
    invalidation: { ...counters.invalidation },
    dispatchers: counters.reportDispatchers(cache.dispatcherStates()),
    advice: cache.advice().length,
    ...(counters.verify !== undefined && { verify: counters.verify.report() }),
    ...sourcesReport(cache.changeSourceStates()),
  };
}

/** A job that waits longer leaves entries stale: its queue has no consumer, or too slow a one. Seconds. */
const MAX_JOB_AGE = 60;

/** State of all stores and dispatchers, without asking them. */
export function healthReport({ settings, dispatcherStates, changeSourceStates }: ReportedCache): CacheHealth {
  const dispatchers = dispatcherStates();
  const changeSources = changeSourceStates();
  const stores = byName(settings.stores, (store): StoreHealth => {
    const { kind, status, reason, waitingBumps } = stateOf(store);
    return { kind, status, ...(reason !== undefined && { reason }), waitingBumps };
  });
  const isUp =
    Object.values(stores).every(({ status, waitingBumps }) => status === 'up' && waitingBumps === 0) &&
    Object.values(dispatchers).every(
      ({ status, queue }) => status === 'up' && (queue?.oldestSeconds ?? 0) <= MAX_JOB_AGE,
    ) &&
    changeSources.every(({ role, lagSeconds }) => role !== 'down' && lagSeconds <= MAX_JOB_AGE);
  return { status: isUp ? 'up' : 'degraded', stores, dispatchers, ...sourcesReport(changeSources) };
}

function sourcesReport(changeSources: readonly ChangeSourceState[]): Pick<CacheHealth, 'changeSources'> {
  return changeSources.length === 0 ? {} : { changeSources };
}

function byName<T>(
  stores: ReadonlyMap<string, CacheStore>,
  tell: (store: CacheStore) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries([...stores].map(([name, store]) => [name, tell(store)]));
}

const NOTHING_KNOWN = { status: 'up', waitingBumps: 0, timeouts: 0, errors: 0 } as const;

/** `state()` is optional; a store whose `state()` throws counts as down. */
function stateOf(store: CacheStore): StoreMetrics {
  try {
    return { kind: store.kind, ...NOTHING_KNOWN, ...store.state?.() };
  } catch {
    return { kind: store.kind, ...NOTHING_KNOWN, status: 'down' };
  }
}

export function invalidateEvent(
  space: KeySpace,
  tags: readonly string[],
  mode: InvalidationMode,
  cause: InvalidationCause,
): InvalidateEvent {
  const methods = new Set(tags.map((tag) => space.methodOf(tag)).filter((name) => name !== undefined));
  return new InvalidateEvent(space.namespace, mode, cause, [...methods], tags.includes(space.allTag), tags);
}

/** How many applications of this process use a store. */
const users = new WeakMap<CacheStore, number>();

/** Counts an application that begins to use a store: one that several share is closed by the last of them. */
export function takeStore(store: CacheStore): void {
  users.set(store, (users.get(store) ?? 0) + 1);
}

/** Counts off an application that stops using a store; the last of them closes the store. */
export async function releaseStore(store: CacheStore): Promise<void> {
  const left = (users.get(store) ?? 1) - 1;
  users.set(store, left);
  if (left === 0) await store.close?.();
}
