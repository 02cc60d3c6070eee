import { Inject, Injectable } from '@nestjs/common';
import { CacheService } from '../cache/cache.service.js';
import type { CacheHealth } from '../observability/metrics.js';

/**
 * State of the cache in the answer of a health check.
 *
 * @publicApi
 */
export interface CacheIndication extends Omit<CacheHealth, 'status'> {
  readonly status: 'up';
  readonly cache: CacheHealth['status'];
}

/**
 * The part of a health check of @nestjs/terminus that is the cache's. It is always `up`, because an application whose cache is away still
 * answers; `cache` says whether it is well. Provided by `RestflowCacheModule`.
 *
 * @example
 * constructor(private readonly health: HealthCheckService, private readonly cache: CacheHealthIndicator) {}
 * @Get('health') @HealthCheck() check() {
 *   return this.health.check([() => this.cache.check()]);
 * }
 *
 * @publicApi
 */
@Injectable()
export class CacheHealthIndicator {
  constructor(@Inject(CacheService) private readonly service: CacheService) {}

  /**
   * Asks nobody, and never throws.
   * @param key name of the cache in the answer; default `cache`
   */
  check(key = 'cache'): Record<string, CacheIndication> {
    const { status, ...known } = this.service.health();
    return { [key]: { status: 'up', cache: status, ...known } };
  }
}
