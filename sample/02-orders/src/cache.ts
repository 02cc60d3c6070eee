import type { DynamicModule } from '@nestjs/common';
import { RestflowCacheModule } from 'nestjs-restflow-cache';
import { bullMqDispatcher } from 'nestjs-restflow-cache/bullmq';
import { redisStore } from 'nestjs-restflow-cache/redis';
import { settings } from './settings.js';

/** The same store, namespace and queue for both processes; only one of them works the queue. */
export function cacheModule({ work }: { work: boolean }): DynamicModule {
  const { redis, namespace } = settings;
  return RestflowCacheModule.forRoot({
    namespace,
    ttl: '1h',
    setCacheHeaders: true,
    store: redisStore({ url: redis }),
    dispatchers: [bullMqDispatcher({ connection: { url: redis }, work })],
  });
}
