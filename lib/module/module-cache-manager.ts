import type { DiscoveryService } from '@nestjs/core';
import { CacheConfigurationError } from '../common/errors.js';
import { GuardedCacheManagerStore } from '../stores/cache-manager-store.js';
import type { CacheStore } from '../stores/store.interface.js';

/** The token of @nestjs/cache-manager, which need not be installed. */
const CACHE_MANAGER = 'CACHE_MANAGER';

/**
 * `cacheManagerStore()` without a backend uses the application's own CacheModule.
 *
 * @param mustExist whether all providers are there by now
 * @throws CacheConfigurationError when there is no CacheModule
 */
export function bindCacheManager(
  stores: ReadonlyMap<string, CacheStore>,
  discovery: DiscoveryService,
  mustExist: boolean,
): void {
  for (const store of stores.values()) {
    if (!(store instanceof GuardedCacheManagerStore) || store.manager.isBound) continue;
    const cache = discovery.getProviders().find(({ token, instance }) => token === CACHE_MANAGER && instance)
      ?.instance as unknown;
    if (cache !== undefined) store.manager.use(cache);
    else if (mustExist) throw noCacheModule();
  }
}

function noCacheModule(): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_STORE',
    'cacheManagerStore() found no CacheModule. Import CacheModule.register({ isGlobal: true }) of @nestjs/cache-manager, or pass a ' +
      'cache or a Keyv: cacheManagerStore(new Keyv(…)).',
  );
}
