import type { DynamicModule } from '@nestjs/common';
import { RestflowCacheModule, type RestflowCacheOptions } from 'nestjs-restflow-cache';
import { redisStore } from 'nestjs-restflow-cache/redis';
import { settings } from './settings.js';

/** The same store, namespace and application for both processes, with the dispatchers that each of them has. */
export function cacheModule(
  dispatchers: Partial<Pick<RestflowCacheOptions, 'dispatchers' | 'defaultDispatcher'>>,
): DynamicModule {
  const { redis, namespace, version } = settings;
  return RestflowCacheModule.forRoot({
    namespace,
    application: 'orders',
    version,
    ttl: '1h',
    setCacheHeaders: true,
    store: redisStore({ url: redis }),
    ...dispatchers,
  });
}
