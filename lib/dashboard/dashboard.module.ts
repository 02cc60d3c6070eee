import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { CacheService } from '../cache/cache.service.js';
import { CACHE_RUNTIME } from '../cache/runtime-token.js';
import { dashboardController } from './dashboard.controller.js';
import { assertDashboardOptions, type DashboardOptions } from './dashboard-options.js';
import { DashboardService } from './dashboard.service.js';

/**
 * A page that shows what the cache does: methods, refusals, rules, invalidations as they happen, stores and jobs.
 *
 * @example
 * @Module({ imports: [RestflowCacheModule.forRoot(), RestflowDashboardModule.forRoot({ path: '/cache', guard: AdminGuard })] })
 * export class AppModule {}
 *
 * @publicApi
 */
@Module({})
export class RestflowDashboardModule implements OnModuleDestroy {
  constructor(@Inject(DashboardService) private readonly dashboard: DashboardService) {}

  /** @throws CacheConfigurationError for options that cannot work, and without a guard unless it says `open: true` */
  static forRoot(options: DashboardOptions = {}): DynamicModule {
    assertDashboardOptions(options);
    const { path = '/cache', guard, imports = [] } = options;
    return {
      module: RestflowDashboardModule,
      imports,
      controllers: [dashboardController(path, guard)],
      providers: [
        {
          provide: DashboardService,
          inject: [CacheService, CACHE_RUNTIME],
          useFactory: (cache: CacheService, runtime: CacheRuntime) =>
            new DashboardService(options, cache, runtime),
        },
      ],
    };
  }

  /** Called by Nest, before the server stops listening. */
  onModuleDestroy(): void {
    this.dashboard.feed.close();
  }
}
