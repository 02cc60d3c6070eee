import type {
  CacheCounters,
  CacheHealth,
  CacheMetrics,
  DispatcherState,
  MethodCounters,
  StoreHealth,
  StoreMetrics,
} from '../observability/metrics.js';
import { InvalidateEvent, type InvalidationCause } from '../observability/events.js';
import type { CacheStore, InvalidationMode } from '../stores/store.interface.js';
import type { KeySpace } from './key-space.js';

/** The parts of a running cache that metrics and health are made from. */
export interface ObservedCache {
  readonly counters: CacheCounters;
  readonly settings: { readonly namespace: string; readonly stores: ReadonlyMap<string, CacheStore> };
  readonly targets: Iterable<{ readonly counters: MethodCounters }>;
  readonly dispatcherStates: () => Readonly<Record<string, DispatcherState>>;
}

/** What an application counted so far. */
export function metricsOf(cache: ObservedCache): CacheMetrics {
  const { counters, settings, targets } = cache;
  return {
    namespace: settings.namespace,
    methods: [...[...targets].map((target) => target.counters), counters.byHand].map((one) => one.report()),
    stores: byName(settings.stores, stateOf),
    invalidation: { ...counters.invalidation },
    dispatchers: counters.reportDispatchers(cache.dispatcherStates()),
  };
}

/** How the stores of an application are, as far as it knows. */
export function healthOf({ settings, dispatcherStates }: ObservedCache): CacheHealth {
  const dispatchers = dispatcherStates();
  const stores = byName(settings.stores, (store): StoreHealth => {
    const { kind, status, waitingBumps } = stateOf(store);
    return { kind, status, waitingBumps };
  });
  const isUp =
    Object.values(stores).every(({ status, waitingBumps }) => status === 'up' && waitingBumps === 0) &&
    Object.values(dispatchers).every(({ status }) => status === 'up');
  return { status: isUp ? 'up' : 'degraded', stores, dispatchers };
}

function byName<T>(
  stores: ReadonlyMap<string, CacheStore>,
  tell: (store: CacheStore) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries([...stores].map(([name, store]) => [name, tell(store)]));
}

const NOTHING_KNOWN = { status: 'up', waitingBumps: 0, timeouts: 0, errors: 0 } as const;

/** A store of the user's need not tell how it is; one that fails to is not well. */
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
