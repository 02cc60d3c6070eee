import { type Histogram, metrics, type Observable } from '@opentelemetry/api';
import type { CacheMetrics } from '../observability/metrics.js';
import { METRIC_FAMILIES } from '../observability/metric-families.js';
import type { LoadedMethod } from '../observability/tracing.js';
import { SCOPE } from './span-tracer.js';

/** `restflow_store_up` is `restflow.store_up` here; counters have no suffix, and units are not part of names. */
function instrumentName(family: string): string {
  return family.replace(/^restflow_/, 'restflow.').replace(/_total$|_seconds$/, '');
}

/** The metrics of a cache as instruments of the OpenTelemetry API, read when they are exported. */
export class CacheInstruments {
  readonly #loads: Histogram;
  readonly #stop: () => void;

  constructor(cache: { metrics(): CacheMetrics }) {
    const meter = metrics.getMeter(SCOPE);
    const observed = METRIC_FAMILIES.filter(({ type }) => type !== 'histogram').map((family) => {
      const name = instrumentName(family.name);
      const options = { description: family.help, ...(family.name.endsWith('_seconds') && { unit: 's' }) };
      const instrument: Observable =
        family.type === 'counter'
          ? meter.createObservableCounter(name, options)
          : meter.createObservableGauge(name, options);
      return { family, instrument };
    });
    const instruments = observed.map(({ instrument }) => instrument);
    const report: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      const now = cache.metrics();
      for (const { family, instrument } of observed)
        for (const { labels, value } of family.samples(now)) result.observe(instrument, value, labels);
    };
    meter.addBatchObservableCallback(report, instruments);
    this.#stop = () => meter.removeBatchObservableCallback(report, instruments);
    this.#loads = meter.createHistogram('restflow.load_duration', {
      description: 'Duration of loads.',
      unit: 's',
      advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
    });
  }

  readonly loaded = ({ namespace, method }: LoadedMethod, seconds: number): void =>
    this.#loads.record(seconds, { namespace, method });

  stop(): void {
    this.#stop();
  }
}
