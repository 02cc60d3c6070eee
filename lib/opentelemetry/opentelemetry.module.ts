import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { CacheService } from '../cache/cache.service.js';
import { checkOptions, flag, type OptionTable } from '../common/options.js';
import { instrumentCache, type OpenTelemetryOptions } from './instrument-cache.js';

const TELEMETRY_OPTIONS = Symbol('nestjs-restflow-cache.opentelemetry');

const TABLE: OptionTable<OpenTelemetryOptions> = {
  rows: { hits: flag, keys: flag, metrics: flag },
  example: '{ hits: true }',
};

/**
 * Spans and metrics of the cache for OpenTelemetry.
 *
 * @example
 * @Module({ imports: [RestflowCacheModule.forRoot(), RestflowOpenTelemetryModule.forRoot()] })
 * export class AppModule {}
 *
 * @publicApi
 */
@Module({})
export class RestflowOpenTelemetryModule implements OnModuleInit, OnModuleDestroy {
  #stop: (() => void) | undefined;

  constructor(
    @Inject(TELEMETRY_OPTIONS) private readonly options: OpenTelemetryOptions,
    @Inject(CacheService) private readonly cache: CacheService,
  ) {}

  /** @throws CacheConfigurationError for options that cannot work */
  static forRoot(options: OpenTelemetryOptions = {}): DynamicModule {
    checkOptions(TABLE, options, 'RestflowOpenTelemetryModule.forRoot()');
    return {
      module: RestflowOpenTelemetryModule,
      providers: [{ provide: TELEMETRY_OPTIONS, useValue: options }],
    };
  }

  /** Called by Nest. */
  onModuleInit(): void {
    this.#stop = instrumentCache(this.cache, this.options);
  }

  /** Called by Nest. */
  onModuleDestroy(): void {
    this.#stop?.();
  }
}
