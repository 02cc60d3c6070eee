import type { CacheReport, MethodReport } from '../cache/cache-report.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { CacheService } from '../cache/cache.service.js';
import type { MethodTarget } from '../cache/method-target.js';
import { quantile } from '../observability/histogram.js';
import type { CacheHealth, CacheMetrics, MethodMetrics } from '../observability/metrics.js';
import type { RefusalReport } from '../observability/refusals.js';

/** Durations in seconds, `null` where there are none. */
interface Durations {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** A method, as the page shows it. */
export interface MethodView extends Omit<MethodReport, 'ttl'> {
  /** Seconds, `null` if a function decides, `-1` for no expiry: JSON has no Infinity. */
  readonly ttl: number | null;
  /** `GET /articles/:slug`, of a handler. */
  readonly route: string | null;
  readonly counts: Omit<MethodMetrics, 'name' | 'loadTimes' | 'hitTimes' | 'refusals'>;
  readonly loads: Durations;
  readonly hits: Durations;
  readonly refusals: readonly RefusalReport[];
}

/** Everything that the page shows, except live invalidations and single keys. */
export interface DashboardReport {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly process: { readonly pid: number; readonly uptime: number; readonly node: string };
  readonly namespace: string;
  readonly application: string;
  readonly version: string | null;
  readonly enabled: boolean;
  readonly health: CacheHealth;
  /** One sentence for each thing that is not well. */
  readonly causes: readonly string[];
  readonly methods: readonly MethodView[];
  readonly stores: CacheMetrics['stores'];
  readonly invalidation: CacheMetrics['invalidation'];
  readonly dispatchers: CacheMetrics['dispatchers'];
  readonly advice: readonly string[];
}

export function dashboardReport(cache: CacheService, runtime: CacheRuntime): DashboardReport {
  const { namespace, methods, stores, invalidation, dispatchers } = cache.metrics();
  const status = cache.status();
  const health = cache.health();
  const { application, version, clock } = runtime.settings;
  return {
    at: clock.now(),
    process: { pid: process.pid, uptime: process.uptime(), node: process.version },
    namespace,
    application,
    version: version ?? null,
    enabled: status.enabled,
    health,
    causes: causesOf(health, status.enabled),
    methods: viewsOf(status, methods, runtime),
    stores,
    invalidation,
    dispatchers,
    advice: status.advice,
  };
}

function viewsOf(
  { methods }: CacheReport,
  counted: readonly MethodMetrics[],
  runtime: CacheRuntime,
): readonly MethodView[] {
  const counts = new Map(counted.map((one) => [one.name, one]));
  const views = [...runtime.targets].map((target, i) =>
    viewOf(methods[i]!, counts.get(target.name)!, target.counters.refusals.report(), routeOf(target)),
  );
  const byHand = runtime.counters.byHand;
  const report: MethodReport = {
    ...{ name: byHand.name, kind: 'result', store: 'default', ttl: null, namespace: null },
    ...{ partitionFields: [], rules: [] },
  };
  return [...views, viewOf(report, counts.get(byHand.name)!, byHand.refusals.report(), null)];
}

function viewOf(
  report: MethodReport,
  metrics: MethodMetrics,
  refusals: readonly RefusalReport[],
  route: string | null,
): MethodView {
  const { name: _, loadTimes, hitTimes, refusals: _kinds, ...counts } = metrics;
  const durations = (of: typeof loadTimes): Durations => ({
    p50: quantile(of, 0.5) ?? null,
    p99: quantile(of, 0.99) ?? null,
  });
  const ttl = report.ttl === Infinity ? -1 : report.ttl;
  return { ...report, ttl, route, counts, loads: durations(loadTimes), hits: durations(hitTimes), refusals };
}

/** The path that decorators of Nest wrote, without prefix and version. */
function routeOf({ definition, owner }: MethodTarget): string | null {
  if (definition.kind !== 'response') return null;
  const handler = definition.original as object;
  const paths = [Reflect.getMetadata('path', owner), Reflect.getMetadata('path', handler)] as unknown[];
  const [controller = '', own = ''] = paths.map((path) =>
    String(Array.isArray(path) ? path[0] : (path ?? '')),
  );
  return `/${[controller, own]
    .flatMap((path) => path.split('/'))
    .filter(Boolean)
    .join('/')}`;
}

function causesOf({ stores, dispatchers }: CacheHealth, enabled: boolean): readonly string[] {
  const ofStores = Object.entries(stores).flatMap(([name, { kind, status, waitingBumps }]) => [
    ...(status === 'down' ? [`The store ${name} (${kind}) is down: values are loaded uncached.`] : []),
    ...(waitingBumps > 0
      ? [`${waitingBumps} invalidations wait for the store ${name}: other processes may serve old values.`]
      : []),
  ]);
  const ofDispatchers = Object.entries(dispatchers).flatMap(([name, { status }]) =>
    status === 'down' ? [`The dispatcher ${name} is down: its queue does not accept jobs.`] : [],
  );
  return [...(enabled ? [] : ['The cache is switched off.']), ...ofStores, ...ofDispatchers];
}
