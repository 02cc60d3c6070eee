import type { DynamicModule } from '@nestjs/common';
import type { RestflowCacheOptions } from '../module/options.js';
import { RestflowCacheModule } from '../module/restflow-cache.module.js';

/**
 * The cache for tests of an application without its database: rules are declared and not attached, values are kept in memory, and
 * answers tell what the cache did, for {@link expectHit} and {@link expectFresh}.
 *
 * @param options of `forRoot()`; they replace these defaults
 * @example
 * const module = await Test.createTestingModule({
 *   imports: [restflowCacheForTests()],
 *   controllers: [ArticlesController],
 *   providers: [{ provide: ArticlesService, useValue: articles }],
 * }).compile();
 *
 * @publicApi
 */
export function restflowCacheForTests(options: RestflowCacheOptions = {}): DynamicModule {
  return RestflowCacheModule.forRoot({ dataSources: false, setCacheHeaders: true, ...options });
}
