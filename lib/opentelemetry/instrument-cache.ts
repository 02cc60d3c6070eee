import type { CacheMetrics } from '../observability/metrics.js';
import { traceWith } from '../observability/tracing.js';
import { CacheInstruments } from './cache-instruments.js';
import { hasTracerProvider, SpanTracer } from './span-tracer.js';

/**
 * Options of {@link instrumentCache} and `RestflowOpenTelemetryModule`.
 *
 * @publicApi
 */
export interface OpenTelemetryOptions {
  /** A span for each hit too. Default false: hits set `cache.hit` on the span of their request. */
  hits?: boolean | undefined;
  /** Writes keys of entries into `cache.key` of these spans. They hold arguments of calls. Default false. */
  keys?: boolean | undefined;
  /** Reports `cache.metrics()` by the metrics API. Default true. */
  metrics?: boolean | undefined;
}

/**
 * Makes spans and metrics of the work of the caches of this process. Without an SDK it does nothing: register the SDK before.
 *
 * @param cache the `CacheService` whose metrics are reported; spans are those of all applications of the process
 * @returns ends it
 * @example
 * instrumentCache(app.get(CacheService));
 *
 * @publicApi
 */
export function instrumentCache(
  cache: { metrics(): CacheMetrics },
  { hits = false, keys = false, metrics = true }: OpenTelemetryOptions = {},
): () => void {
  const instruments = metrics ? new CacheInstruments(cache) : undefined;
  const stop = hasTracerProvider()
    ? traceWith(new SpanTracer({ hits, keys }, (of, seconds) => instruments?.loaded(of, seconds)))
    : undefined;
  return () => {
    stop?.();
    instruments?.stop();
  };
}
