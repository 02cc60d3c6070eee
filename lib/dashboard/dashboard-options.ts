import type { CanActivate, DynamicModule, Type } from '@nestjs/common';
import { CacheConfigurationError } from '../common/errors.js';
import {
  checkOptions,
  flag,
  isClassOrFunction,
  isFunction,
  isList,
  isRecord,
  type OptionTable,
  text,
} from '../common/options.js';

/**
 * Options of `RestflowDashboardModule`.
 *
 * @publicApi
 */
export interface DashboardOptions {
  /** Where the page is, below the global prefix. Default `'/cache'`. */
  path?: string | undefined;
  /** Guard of the page and of everything that it asks for: its class, resolved among the providers of `imports`, or an instance. */
  guard?: Type<CanActivate> | CanActivate | undefined;
  /** Modules whose providers the guard needs. */
  imports?: DynamicModule['imports'];
  /** Serves the page without a guard. Default false, or true where NODE_ENV is `development`. */
  open?: boolean | undefined;
  /** Allows to drop entries from the page. Default false. */
  actions?: boolean | undefined;
  /** Shows keys and tags as they are: they hold arguments of calls. Default false: a hash stands for them. */
  keys?: boolean | undefined;
  /** Shows stored values. Default false. */
  values?: boolean | undefined;
  /** Signs the token of actions. Processes behind one load balancer need the same. Default: random for each process. */
  secret?: string | undefined;
  /** Who asked for an action, for the log. Default: `id`, `sub` or `username` of `request.user`. */
  actor?: ((request: object) => string) | undefined;
}

const TABLE: OptionTable<DashboardOptions> = {
  rows: {
    path: text,
    guard: [
      (value) => isClassOrFunction(value) || isRecord(value) || typeof value === 'object',
      'a guard: its class or an instance',
    ],
    imports: [isList, 'a list of modules'],
    open: flag,
    actions: flag,
    keys: flag,
    values: flag,
    secret: [
      (value) => typeof value === 'string' && value.length >= 32,
      'at least 32 random characters, e.g. from `openssl rand -base64 32`',
    ],
    actor: [isFunction, 'a function: (request) => request.user.id'],
  },
  example: `{ path: '/cache', guard: AdminGuard }`,
};

/** @throws CacheConfigurationError for options that cannot work, and for a page that everybody could open */
export function assertDashboardOptions(options: DashboardOptions): void {
  checkOptions(TABLE, options, 'RestflowDashboardModule.forRoot()');
  const { guard, open = process.env['NODE_ENV'] === 'development' } = options;
  if (guard !== undefined || open) return;
  throw new CacheConfigurationError(
    'CACHE_DASHBOARD_GUARD',
    `RestflowDashboardModule.forRoot(): there is no guard, so everybody could open the dashboard. Write { guard: AdminGuard }, or ` +
      `{ open: true } where something else protects it.`,
  );
}
