import { ArgsKeyField } from './fields/args-key-field.js';
import { QueryParamsKeyField, RouteParamsKeyField } from './fields/request-key-fields.js';
import { KeyConstructor } from './key-constructor.js';

/**
 * The default of `@CacheResult`: all arguments of the call, those beyond the declared ones included.
 *
 * @example
 * ```ts
 * class TenantKey extends DefaultKeyConstructor {
 *   tenant = new ArgsKeyField('tenantId', { partition: true });
 * }
 * ```
 * Source: drf-restflow, `DefaultKeyConstructor`.
 * @publicApi
 */
export class DefaultKeyConstructor extends KeyConstructor {
  /** All arguments. */
  args = new ArgsKeyField('*');
}

/**
 * The default of `@CacheResponse`: all query parameters, and each route parameter as a partition under its own name, so
 * that rules may map `{ slug: 'slug' }`.
 *
 * @example
 * ```ts
 * class PerUserKey extends ResponseCacheKeyConstructor {
 *   user = new RequestValueKeyField('user.id', { partition: true });
 * }
 * ```
 * Source: drf-restflow, `ResponseCacheKeyConstructor`.
 * @publicApi
 */
export class ResponseCacheKeyConstructor extends KeyConstructor {
  /** All query parameters; repeated ones are sets. */
  query = new QueryParamsKeyField('*');
  /** All parameters of the route's pattern. */
  route = new RouteParamsKeyField('*', { partition: true });
}
