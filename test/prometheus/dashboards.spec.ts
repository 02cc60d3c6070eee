import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { CacheResult, CacheService, type ChangeSource, memoryStore } from '../../lib/index.js';
import { METRIC_FAMILIES } from '../../lib/observability/metric-families.js';
import { RestflowPrometheusModule } from '../../lib/prometheus.js';
import { start, type TestApplication } from '../http/support/application.js';
import { servers } from '../servers/registry.mjs';
import { until } from '../support/until.js';
import { promtool } from './support/promtool.js';

const root = join(import.meta.dirname, '..', '..', 'dashboards');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

const dashboard = JSON.parse(readFileSync(join(root, 'grafana.json'), 'utf8')) as {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
};

const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, refId }) => ({ name: `${title} ${refId}`, expr })),
);

/** A query as Grafana sends it, with every value of its variables. */
const sent = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '10s').replaceAll('$namespace', '.*').replaceAll('$method', '.*');

const known = new Set(
  METRIC_FAMILIES.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);
const metricsIn = (text: string): string[] => [...new Set(text.match(/restflow_\w+/g))];

describe('dashboards/grafana.json', () => {
  it('is a dashboard whose panels do not overlap, each with an id of its own', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.uid.length).toBeLessThanOrEqual(40);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.has(`${x} ${y}`)]).toEqual([title, false]);
          taken.add(`${x} ${y}`);
        }
    }
  });

  it('asks for every metric that there is, and for no other', () => {
    const asked = metricsIn(JSON.stringify(dashboard));
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
    const families = METRIC_FAMILIES.map(({ name }) => name);
    expect(families.filter((name) => !asked.some((one) => one.startsWith(name)))).toEqual([]);
  });

  it('uses no variable that it does not define', () => {
    const names = dashboard.templating.list.map(({ name }) => name);
    const used = queries.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name!));
    expect([...new Set(used)].filter((name) => name !== '__rate_interval' && !names.includes(name))).toEqual(
      [],
    );
  });
});

describe('dashboards/alerts.yml', () => {
  const file = join(root, 'alerts.yml');

  it('is accepted by promtool, and asks for no metric that there is not', async () => {
    const { code, output } = await promtool(['check', 'rules', file]);
    expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    expect(metricsIn(readFileSync(file, 'utf8')).filter((name) => !known.has(name))).toEqual([]);
  });

  it('raises each alert for what it is about, and none for a cache that is well', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'restflow-alerts-'));
    const method = 'namespace="shop", method="Pages.all", instance="a"';
    const store = 'namespace="shop", store="default", kind="redis", instance="a"';
    const well = [
      [`restflow_store_up{${store}}`, '1x600'],
      [`restflow_store_waiting_bumps{${store}}`, '0x600'],
      [`restflow_store_bus_lag_seconds{${store}}`, '0.001x600'],
      [`restflow_calls_total{${method}, status="hit"}`, '0+600x600'],
      [`restflow_calls_total{${method}, status="miss"}`, '0+60x600'],
      [`restflow_loads_total{${method}}`, '0+60x600'],
      [`restflow_not_stored_total{${method}}`, '0x600'],
      [`restflow_invalidations_total{namespace="shop", instance="a"}`, '0+60x600'],
      [`restflow_invalidations_widened_total{namespace="shop", instance="a"}`, '0x600'],
      [`restflow_rule_errors_total{namespace="shop", instance="a"}`, '0x600'],
      [`restflow_dispatcher_failures_total{namespace="shop", dispatcher="bullmq", instance="a"}`, '0x600'],
      [`restflow_dispatcher_waiting_jobs{namespace="shop", dispatcher="bullmq", instance="a"}`, '0x600'],
      [
        `restflow_dispatcher_queue_oldest_seconds{namespace="shop", dispatcher="bullmq", instance="a"}`,
        '2x600',
      ],
      [`restflow_load_duration_seconds_bucket{${method}, le="1"}`, '0+60x600'],
      [`restflow_load_duration_seconds_bucket{${method}, le="10"}`, '0+60x600'],
      [`restflow_load_duration_seconds_bucket{${method}, le="+Inf"}`, '0+60x600'],
      [`restflow_store_evictions_total{${store}}`, '0x600'],
    ];
    const ill: Record<string, readonly [series: string, values: string]> = {
      CacheStoreDown: ['restflow_store_up{', '0x600'],
      CacheInvalidationsWait: ['restflow_store_waiting_bumps{', '3x600'],
      CacheBusLagging: ['restflow_store_bus_lag_seconds{', '0.8x600'],
      CacheNothingStored: ['restflow_not_stored_total{', '0+60x600'],
      CacheInvalidationsWidened: ['restflow_invalidations_widened_total{', '0+60x600'],
      CacheRuleErrors: ['restflow_rule_errors_total{', '0+1x600'],
      CacheDispatcherFailing: ['restflow_dispatcher_failures_total{', '0+1x600'],
      CacheJobsWait: ['restflow_dispatcher_waiting_jobs{', '500x600'],
      CacheJobsOld: ['restflow_dispatcher_queue_oldest_seconds{', '120x600'],
      CacheLoadsSlow: [
        'restflow_load_duration_seconds_bucket{namespace="shop", method="Pages.all", instance="a", le="1"}',
        '0x600',
      ],
      CacheEvicting: ['restflow_store_evictions_total{', '0+120x600'],
    };
    const tests = [['', undefined] as const, ...Object.entries(ill)].map(([name, one]) => ({
      name: name === '' ? 'well' : name,
      interval: '1m',
      input_series: well.map(([series, values]) => ({
        series,
        values: one !== undefined && series!.startsWith(one[0]) ? one[1] : values,
      })),
      promql_expr_test: [
        {
          expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: '2h',
          exp_samples: name === '' ? [] : [{ labels: `{alertname="${name}"}`, value: 1 }],
        },
      ],
    }));
    try {
      const path = join(folder, 'tests.json');
      writeFileSync(path, JSON.stringify({ rule_files: [file], evaluation_interval: '1m', tests }));
      const { code, output } = await promtool(['test', 'rules', path]);
      expect([output, code]).toEqual([expect.stringContaining('SUCCESS'), 0]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const url = process.env[servers['prometheus']!.variable];

// The run says so where there is no Prometheus.
(url === undefined ? describe.skip : describe)('a Prometheus that scrapes an application', () => {
  let app: TestApplication;

  @Injectable()
  class Things {
    @CacheResult({ ttl: 60, cacheIf: (value) => value !== 13 }) async find(id: number): Promise<number> {
      if (id < 0) throw new Error('no such thing');
      return id;
    }

    mood = '';
    /** No rule covers what it depends on. */
    @CacheResult({ ttl: 60 }) async moody(_id: number): Promise<string> {
      return this.mood;
    }
  }

  const changes: ChangeSource = {
    start: async () => undefined,
    close: async () => undefined,
    state: () => ({ name: 'log', role: 'consumer', lagSeconds: 0.1 }),
  };

  beforeAll(async () => {
    app = await start('express', {
      imports: [RestflowPrometheusModule.forRoot({ register: new Registry(), sampleHits: 1 })],
      providers: [Things],
      cache: {
        namespace: 'shop',
        store: memoryStore({ maxEntries: 20 }),
        changeSources: [changes],
        verify: { sample: 1, budget: 0.99, settle: '1ms', maxInFlight: 100 },
      },
    });
    const targets = new URL(url!).searchParams.get('targets')!;
    writeFileSync(targets, JSON.stringify([{ targets: [`127.0.0.1:${app.port}`] }]));
    const things = app.app.get(Things);
    const cache = app.app.get(CacheService);
    let id = 0;
    await until(async () => {
      for (const one of [++id, id, 13]) await things.find(one);
      await things.find(-1).catch(() => undefined);
      await cache.for(Things, 'find').deleteCache(id);
      await things.moody(id);
      things.mood = String(id);
      await things.moody(id);
      const counted = ['store_evictions_total', 'stale_age_seconds_count'].map(isGrowing);
      return !(await Promise.all(counted)).includes(false);
    });
  });

  afterAll(async () => {
    const targets = new URL(url!).searchParams.get('targets')!;
    writeFileSync(targets, '[]');
    await app.close();
  });

  interface Result {
    readonly status: string;
    readonly error?: string;
    readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
  }

  async function ask(query: string): Promise<Result> {
    const response = await fetch(new URL('/api/v1/query', url), {
      method: 'POST',
      body: new URLSearchParams({ query }),
    });
    return (await response.json()) as Result;
  }

  async function isGrowing(metric: string): Promise<boolean> {
    const { result } = (await ask(`sum(rate(restflow_${metric}[10s]))`)).data;
    return result.length > 0 && Number(result[0]!.value[1]) > 0;
  }

  /** Without a shared store there is no bus, and without a broker no queue. */
  const isEmptyInMemory = (expr: string): boolean => /bus_lag|dispatcher_queue/.test(expr);

  it.each(queries)('answers the query $name of the dashboard with numbers', async ({ expr }) => {
    const { status, error, data } = await ask(sent(expr));
    expect([error, status]).toEqual([undefined, 'success']);
    if (isEmptyInMemory(expr)) return;
    expect(data.result.length).toBeGreaterThan(0);
    // A method without calls has no ratio.
    expect(data.result.some(({ value }) => !Number.isNaN(Number(value[1])))).toBe(true);
  });

  it('knows the values of the variables of the dashboard', async () => {
    const response = await fetch(new URL('/api/v1/label/namespace/values?match[]=restflow_calls_total', url));
    expect(((await response.json()) as { data: string[] }).data).toContain('shop');
  });
});
