import type { DurationMetrics } from './histogram.js';
import type { MethodVerification } from './verify-metrics.js';
import type {
  CacheMetrics,
  ChangeSourceState,
  DispatcherMetrics,
  MethodMetrics,
  StoreMetrics,
} from './metrics.js';

export type Labels = Readonly<Record<string, string>>;

/** One sample of a family; of a histogram, its name ends with `_bucket`, `_sum` or `_count`. */
export interface Sample {
  readonly metricName: string;
  readonly labels: Labels;
  readonly value: number;
}

/** All metrics of one name. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  samples(metrics: CacheMetrics): readonly Sample[];
}

/** Of a method, or a store, or a dispatcher: what is counted there, and `undefined` where it is not. */
type Row<T> = readonly [
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  read: (of: T) => number | undefined,
];

const STATUSES = {
  hit: 'hits',
  miss: 'misses',
  stale: 'stale',
  bypass: 'bypasses',
  refresh: 'refreshes',
} as const;

const METHOD_ROWS: readonly Row<MethodMetrics>[] = [
  ['loads_total', 'counter', 'Runs of methods to fill the cache.', (one) => one.loads],
  ['load_errors_total', 'counter', 'Loads that failed.', (one) => one.loadErrors],
  ['not_stored_total', 'counter', 'Loads whose value was not stored.', (one) => one.notStored],
  [
    'stored_bytes_total',
    'counter',
    'Estimated bytes of the values that were stored.',
    (one) => one.storedBytes,
  ],
  ['expirations_total', 'counter', 'Entries found past their lifetime.', (one) => one.expired],
];

const STORE_ROWS: readonly Row<StoreMetrics>[] = [
  ['store_up', 'gauge', 'Whether the store answers and takes writes.', (one) => Number(one.status === 'up')],
  [
    'store_waiting_bumps',
    'gauge',
    'Tags whose invalidation has not reached the store.',
    (one) => one.waitingBumps,
  ],
  ['store_timeouts_total', 'counter', 'Calls that the store did not answer in time.', (one) => one.timeouts],
  ['store_errors_total', 'counter', 'Calls of the store that failed otherwise.', (one) => one.errors],
  ['store_entries', 'gauge', 'Entries in the memory of this process.', (one) => one.entries],
  [
    'store_bytes',
    'gauge',
    'Estimated bytes of the entries in the memory of this process.',
    (one) => one.bytes,
  ],
  [
    'store_evictions_total',
    'counter',
    'Entries that gave way because the memory was full.',
    (one) => one.evictions,
  ],
  [
    'store_bus_lag_seconds',
    'gauge',
    'Time that the last message took over the bus and back.',
    (one) => one.busLag,
  ],
];

const INVALIDATION_ROWS: readonly Row<CacheMetrics['invalidation']>[] = [
  ['invalidations_total', 'counter', 'Invalidations, one for each commit or call.', (one) => one.bumps],
  ['invalidated_tags_total', 'counter', 'Tags that were invalidated.', (one) => one.tags],
  [
    'invalidation_failures_total',
    'counter',
    'Invalidations that a store did not take at once.',
    (one) => one.failures,
  ],
  [
    'entity_changes_total',
    'counter',
    'Committed changes of entities that a rule concerns.',
    (one) => one.changes,
  ],
  [
    'invalidations_widened_total',
    'counter',
    'Commits after which a rule dropped everything of its method.',
    (one) => one.widened,
  ],
  ['rule_errors_total', 'counter', 'Failures of rules.', (one) => one.ruleErrors],
];

const DISPATCHER_ROWS: readonly Row<DispatcherMetrics>[] = [
  ['dispatcher_jobs_total', 'counter', 'Jobs that the dispatcher was given.', (one) => one.jobs],
  ['dispatcher_jobs_run_total', 'counter', 'Jobs that ran in this process.', (one) => one.carriedOut],
  [
    'dispatcher_failures_total',
    'counter',
    'Failures that the dispatcher had or reported.',
    (one) => one.failures,
  ],
  ['dispatcher_waiting_jobs', 'gauge', 'Jobs that wait in this process.', (one) => one.waitingJobs],
  ['dispatcher_queue_jobs', 'gauge', 'Jobs in the queue that are not done.', (one) => one.queue?.depth],
  [
    'dispatcher_queue_oldest_seconds',
    'gauge',
    'Age of the oldest job in the queue that is not done.',
    (one) => one.queue?.oldestSeconds,
  ],
  ['dispatcher_queue_dead_jobs', 'gauge', 'Jobs of the queue that were given up.', (one) => one.queue?.dead],
];

const CHANGE_SOURCE_ROWS: readonly Row<ChangeSourceState>[] = [
  [
    'change_source_up',
    'gauge',
    'Whether the change source reads its log, here or in another process.',
    (one) => Number(one.role !== 'down'),
  ],
  [
    'change_source_lag_seconds',
    'gauge',
    'Age of the oldest change that was read and has not invalidated.',
    (one) => one.lagSeconds,
  ],
];

const PREFIX = 'restflow_';

/** One family for each row, with a sample for each thing that the row is read of. */
function families<T>(
  rows: readonly Row<T>[],
  all: (metrics: CacheMetrics) => readonly (readonly [Labels, T])[],
): MetricFamily[] {
  return rows.map(([suffix, type, help, read]) => {
    const name = PREFIX + suffix;
    const samples = (metrics: CacheMetrics): Sample[] =>
      all(metrics).flatMap(([labels, one]) => {
        const value = read(one);
        return value === undefined ? [] : [{ metricName: name, labels, value }];
      });
    return { name, type, help, samples };
  });
}

/** Buckets as Prometheus counts them: each holds those below it. */
function histogram<Method extends { readonly name: string }>(
  suffix: string,
  help: string,
  methodsOf: (metrics: CacheMetrics) => readonly Method[],
  read: (method: Method) => DurationMetrics,
): MetricFamily {
  const name = PREFIX + suffix;
  const samples = (metrics: CacheMetrics): Sample[] =>
    methodsOf(metrics).flatMap((method) => {
      const { namespace } = metrics;
      const { count, seconds, bounds, buckets } = read(method);
      if (count === 0) return [];
      const labels = { namespace, method: method.name };
      let below = 0;
      const counted = [...bounds, Infinity].map((bound, at) => {
        below += buckets[at]!;
        const le = bound === Infinity ? '+Inf' : String(bound);
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
      });
      return [
        ...counted,
        { metricName: `${name}_sum`, labels, value: seconds },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  return { name, help, type: 'histogram', samples };
}

const ADVICE_ROWS: readonly Row<CacheMetrics>[] = [
  ['advice', 'gauge', 'Lines of advice in cache.status().', (one) => one.advice],
];

const allMethods = ({ methods }: CacheMetrics): readonly MethodMetrics[] => methods;
const verifiedMethods = ({ verify }: CacheMetrics): readonly MethodVerification[] => verify?.methods ?? [];

/** A counter of verified hits by a word that each of them is given. */
function verified(
  suffix: string,
  help: string,
  label: string,
  read: (method: MethodVerification) => Readonly<Partial<Record<string, number>>>,
): MetricFamily {
  const name = PREFIX + suffix;
  const samples = (metrics: CacheMetrics): Sample[] =>
    verifiedMethods(metrics).flatMap((method) =>
      Object.entries(read(method)).map(([word, value = 0]) => ({
        metricName: name,
        labels: { namespace: metrics.namespace, method: method.name, [label]: word },
        value,
      })),
    );
  return { name, help, type: 'counter', samples };
}

const VERIFY_FAMILIES: readonly MetricFamily[] = [
  verified('verifications_total', 'Hits that were verified, by outcome.', 'outcome', (one) => one.outcomes),
  verified('stale_hits_total', 'Verified hits that were stale, by cause.', 'cause', (one) => one.causes),
  histogram(
    'stale_age_seconds',
    'Age of verified hits that were stale.',
    verifiedMethods,
    (one) => one.staleAges,
  ),
];

/** Every metric of the cache. Labels are names that stand in the code, never values of requests. */
export const METRIC_FAMILIES: readonly MetricFamily[] = [
  {
    name: `${PREFIX}calls_total`,
    help: 'Calls of cached methods, by the status that their callers were told.',
    type: 'counter',
    samples: ({ methods, namespace }) =>
      methods.flatMap((method) =>
        Object.entries(STATUSES).map(([status, count]) => ({
          metricName: `${PREFIX}calls_total`,
          labels: { namespace, method: method.name, status },
          value: method[count],
        })),
      ),
  },
  {
    name: `${PREFIX}refusals_total`,
    help: 'Calls that went past the cache and loads that were not stored, by kind.',
    type: 'counter',
    samples: ({ methods, namespace }) =>
      methods.flatMap((method) =>
        Object.entries(method.refusals).map(([kind, value]) => ({
          metricName: `${PREFIX}refusals_total`,
          labels: { namespace, method: method.name, kind },
          value,
        })),
      ),
  },
  ...families(METHOD_ROWS, ({ methods, namespace }) =>
    methods.map((one) => [{ namespace, method: one.name }, one]),
  ),
  histogram('load_duration_seconds', 'Duration of loads.', allMethods, (one) => one.loadTimes),
  histogram(
    'hit_duration_seconds',
    'Duration of hits, of a sample of them.',
    allMethods,
    (one) => one.hitTimes,
  ),
  ...families(STORE_ROWS, ({ stores, namespace }) =>
    Object.entries(stores).map(([store, one]) => [{ namespace, store, kind: one.kind }, one]),
  ),
  ...families(INVALIDATION_ROWS, ({ invalidation, namespace }) => [[{ namespace }, invalidation]]),
  ...families(DISPATCHER_ROWS, ({ dispatchers, namespace }) =>
    Object.entries(dispatchers).map(([dispatcher, one]) => [{ namespace, dispatcher }, one]),
  ),
  ...families(ADVICE_ROWS, (metrics) => [[{ namespace: metrics.namespace }, metrics]]),
  ...VERIFY_FAMILIES,
  ...families(CHANGE_SOURCE_ROWS, ({ changeSources = [], namespace }) =>
    changeSources.map((one) => [{ namespace, source: one.name, role: one.role }, one]),
  ),
];
