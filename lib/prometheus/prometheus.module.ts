import {
  type CanActivate,
  Controller,
  type DynamicModule,
  Get,
  Header,
  Inject,
  Module,
  type OnModuleDestroy,
  type OnModuleInit,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { CacheService } from '../cache/cache.service.js';
import {
  checkOptions,
  isClassOrFunction,
  isList,
  isRecord,
  isText,
  type OptionTable,
} from '../common/options.js';
import { NoCache } from '../decorators/no-cache.decorator.js';
import { type MetricRegistry, registerMetrics, type RegisterMetricsOptions } from './register-metrics.js';

/**
 * Options of {@link RestflowPrometheusModule}.
 *
 * @publicApi
 */
export interface PrometheusModuleOptions extends RegisterMetricsOptions {
  /** The `register` of prom-client, or a `Registry` of the application. */
  register: MetricRegistry;
  /** Where metrics are scraped, below the global prefix. Default `'metrics'`; `false` adds no route. */
  path?: string | false | undefined;
  /** Guards of the route; a class is resolved among the providers of `imports`. Default: none. */
  guard?: Type<CanActivate> | CanActivate | undefined;
  /** Modules whose providers the guard needs. */
  imports?: DynamicModule['imports'];
}

const OPTIONS_TOKEN = Symbol('nestjs-restflow-cache.prometheus');

const TABLE: OptionTable<PrometheusModuleOptions> = {
  rows: {
    register: [isRegistry, `register of prom-client: import { register } from 'prom-client'`],
    path: [(value) => value === false || isText(value), `a path, e.g. 'metrics', or false`],
    guard: [(value) => isClassOrFunction(value) || isRecord(value), 'a guard: its class or an instance'],
    imports: [isList, 'a list of modules'],
    sampleHits: [
      (value) => value === false || (Number.isSafeInteger(value) && (value as number) > 0),
      'how many hits there are to one that is measured, e.g. 100, or false',
    ],
  },
  example: '{ register }',
  required: ['register'],
};

function isRegistry(value: unknown): boolean {
  const { registerMetric, metrics } = (value ?? {}) as Partial<MetricRegistry>;
  return typeof registerMetric === 'function' && typeof metrics === 'function';
}

/**
 * Metrics of the cache for Prometheus, and a route to scrape everything that a registry of prom-client holds.
 *
 * @example
 * import { register } from 'prom-client';
 * @Module({ imports: [RestflowCacheModule.forRoot(), RestflowPrometheusModule.forRoot({ register })] })
 * export class AppModule {}
 *
 * @publicApi
 */
@Module({})
export class RestflowPrometheusModule implements OnModuleInit, OnModuleDestroy {
  #remove: (() => void) | undefined;

  constructor(
    @Inject(OPTIONS_TOKEN) private readonly options: PrometheusModuleOptions,
    @Inject(CacheService) private readonly cache: CacheService,
  ) {}

  /** @throws CacheConfigurationError for options that cannot work */
  static forRoot(options: PrometheusModuleOptions): DynamicModule {
    checkOptions(TABLE, options, 'RestflowPrometheusModule.forRoot()');
    const { path = 'metrics', imports = [] } = options;
    return {
      module: RestflowPrometheusModule,
      imports,
      providers: [{ provide: OPTIONS_TOKEN, useValue: options }],
      controllers: path === false ? [] : [metricsController(options, path)],
    };
  }

  /** Called by Nest. */
  onModuleInit(): void {
    this.#remove = registerMetrics(this.options.register, this.cache, this.options);
  }

  /** Called by Nest. */
  onModuleDestroy(): void {
    this.#remove?.();
  }
}

function metricsController({ guard, register }: PrometheusModuleOptions, path: string): Type {
  @Controller(path)
  @NoCache()
  @UseGuards(...(guard === undefined ? [] : [guard]))
  class PrometheusController {
    @Get()
    @Header('Content-Type', () => register.contentType)
    @Header('Cache-Control', 'no-store')
    metrics(): Promise<string> {
      return register.metrics();
    }
  }
  return PrometheusController;
}
