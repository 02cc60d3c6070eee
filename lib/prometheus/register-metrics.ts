import type { CacheMetrics } from '../observability/metrics.js';
import { METRIC_FAMILIES, type MetricFamily, type Sample } from '../observability/metric-families.js';

/**
 * The members of a prom-client `Registry` that are used.
 *
 * @publicApi
 */
export interface MetricRegistry {
  readonly contentType: string;
  registerMetric(metric: never): void;
  removeSingleMetric(name: string): void;
  metrics(): Promise<string>;
}

/**
 * The members of `CacheService` that are used.
 *
 * @publicApi
 */
export interface MeasuredCache {
  metrics(): CacheMetrics;
  sampleHits(every: number): void;
}

/**
 * Options of {@link registerMetrics}.
 *
 * @publicApi
 */
export interface RegisterMetricsOptions {
  /** One hit in so many is measured, for `restflow_hit_duration_seconds`. Default 100; `false` measures none. */
  sampleHits?: number | false | undefined;
}

/** One hit in so many is measured. */
const SAMPLE_HITS = 100;

/** Caches of the applications that report to one registry. */
const reporting = new WeakMap<MetricRegistry, Set<MeasuredCache>>();

/**
 * Adds the metrics of a cache to a registry of prom-client. They are read when the registry is scraped; nothing is counted twice.
 * Several applications may report to one registry: their `namespace` tells them apart.
 *
 * @param register the `register` of prom-client, or a `Registry` of the application
 * @returns removes them again
 * @example
 * import { register } from 'prom-client';
 * registerMetrics(register, app.get(CacheService));
 *
 * @publicApi
 */
export function registerMetrics(
  register: MetricRegistry,
  cache: MeasuredCache,
  { sampleHits = SAMPLE_HITS }: RegisterMetricsOptions = {},
): () => void {
  if (sampleHits !== false) cache.sampleHits(sampleHits);
  let caches = reporting.get(register);
  if (caches === undefined) {
    caches = new Set();
    reporting.set(register, caches);
  }
  if (caches.size === 0) for (const family of METRIC_FAMILIES) add(register, family, caches);
  caches.add(cache);
  const all = caches;
  return () => {
    const wasLast = all.delete(cache) && all.size === 0;
    if (wasLast) for (const { name } of METRIC_FAMILIES) register.removeSingleMetric(name);
  };
}

function add(register: MetricRegistry, family: MetricFamily, caches: ReadonlySet<MeasuredCache>): void {
  register.registerMetric(new ReportedMetric(family, caches) as unknown as never);
}

/** A metric as a registry of prom-client reads it: its values are made when they are asked for. */
class ReportedMetric {
  // A registry that writes OpenMetrics changes the name.
  name: string;
  readonly help: string;
  readonly type: MetricFamily['type'];
  readonly aggregator = 'sum';

  constructor(
    private readonly family: MetricFamily,
    private readonly caches: ReadonlySet<MeasuredCache>,
  ) {
    this.name = family.name;
    this.help = family.help;
    this.type = family.type;
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const isRenamed = name !== this.family.name;
    const values = [...this.caches].flatMap((cache) => this.family.samples(cache.metrics()));
    return Promise.resolve({
      name,
      help,
      type,
      aggregator,
      values: isRenamed ? values.map((value): Sample => ({ ...value, metricName: name })) : values,
    });
  }

  /** Counts belong to the cache, which never resets them. */
  reset(): void {}
}
