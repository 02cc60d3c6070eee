import type { Type } from '@nestjs/common';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { definitionOf, memberKeysOf, memberOf } from '../cache/method-names.js';
import type { MethodDefinition } from '../cache/definition.js';
import { counted } from '../common/messages.js';
import { checkOptions, type OptionTable } from '../common/options.js';
import type { CacheResponseOptions } from '../decorators/cache-options.interface.js';
import { CACHE_RESPONSE_OPTIONS, defineResponse } from '../decorators/cache-response.decorator.js';
import { isNoCache } from '../decorators/no-cache.decorator.js';
import { handlesOnlyGet, readsOfRequest } from '../http/route/handler-shape.js';
import { excludedPaths, type ExcludedPaths } from '../http/route/query-filter.js';
import type { RouteTable } from '../http/route/route-table.js';
import type { ResponseOptions } from '../http/route/response-options.js';
import type { OnceLog } from '../observability/once-log.js';

/** Options that only make sense for a single handler. */
type OfOneHandler = 'name' | 'methods' | 'shared' | 'freshness' | 'invalidatesOn' | 'rewarmRequest';

/**
 * Options of `forRoot({ cacheEverything })`: those of `@CacheResponse`, and the excluded handlers.
 *
 * @publicApi
 */
export interface CacheEverythingOptions extends Omit<CacheResponseOptions, OfOneHandler> {
  /** Paths that are not cached, with `*` for any text (`'/admin/*'`), and controller classes. Default: none. */
  exclude?: readonly (string | Type)[] | undefined;
}

const WHERE = 'cacheEverything of RestflowCacheModule';
const {
  name: _1,
  methods: _2,
  shared: _3,
  freshness: _4,
  invalidatesOn: _5,
  rewarmRequest: _6,
  ...rows
} = CACHE_RESPONSE_OPTIONS.rows;

const OPTIONS: OptionTable<CacheEverythingOptions> = {
  rows: {
    ...rows,
    exclude: [
      (value) => Array.isArray(value) && value.every(isExcludable),
      `a list of paths and controllers: ['/admin/*', HealthController]`,
    ],
  },
  example: `an object: { ttl: '1m' }, or omit it to cache decorated handlers only`,
};

/**
 * Caches every handler with `@Get()` that has no caching decorator of its own, as a site-wide cache does.
 *
 * Source: Django, the per-site cache (`UpdateCacheMiddleware`, `FetchFromCacheMiddleware`).
 */
export class CacheEverything {
  readonly #options: CacheResponseOptions;
  readonly #classes: ReadonlySet<unknown>;
  readonly #paths: ExcludedPaths | undefined;
  readonly #cached: string[] = [];

  /** @throws CacheConfigurationError or TypeError for invalid options */
  constructor(
    given: CacheEverythingOptions,
    private readonly log: OnceLog,
  ) {
    checkOptions(OPTIONS, given, WHERE);
    const { exclude = [], ...options } = given;
    this.#options = options;
    this.#classes = new Set(exclude);
    this.#paths = excludedPaths(exclude.filter((one) => typeof one === 'string'));
    // Checks the options now, not at the first controller.
    this.#define(CacheEverything.prototype, 'explore', [], WHERE);
  }

  /**
   * Adds the undecorated handlers of these controllers, and logs their names.
   * @param runtime has the decorated methods, whose names are taken
   */
  explore(
    controllers: readonly { readonly metatype: unknown }[],
    runtime: CacheRuntime,
    routes: Pick<RouteTable, 'add'>,
  ): void {
    for (const { metatype: controller } of controllers) {
      if (typeof controller !== 'function') continue;
      if (this.#classes.has(controller) || isNoCache(controller)) continue;
      for (const name of handlersOf(controller)) {
        const definition = this.#definitionOf(controller, name, runtime);
        if (definition !== undefined) routes.add(definition, controller);
      }
    }
    const names = this.#cached.length > 0 ? `: ${this.#cached.join(', ')}` : '';
    this.log.info(`cacheEverything caches ${counted(this.#cached.length, 'handler')}${names}`);
  }

  #definitionOf(controller: Function, name: string, { targets }: CacheRuntime): MethodDefinition | undefined {
    const where = `${controller.name}.${name}`;
    const { headers, client } = readsOfRequest(controller, name);
    if (client !== undefined) return this.#leave(where, `it takes ${client}, which no key contains`);
    if ([...targets].some((target) => target.name === where))
      return this.#leave(where, `another class called ${controller.name} caches under this name`);
    this.#cached.push(where);
    return this.#define(controller.prototype as object, name, headers, where);
  }

  #leave(where: string, why: string): undefined {
    this.log.warn(
      `everything ${where}`,
      `${where} is not cached by cacheEverything: ${why}. Decorate it with @CacheResponse({ name, keyConstructor, … }), or with ` +
        `@NoCache().`,
    );
  }

  /** @param headers request headers that the handler reads: its response varies by them */
  #define(prototype: object, name: string, headers: readonly string[], where: string): MethodDefinition {
    const vary = [...(this.#options.vary ?? []), ...headers];
    const original = (prototype as Record<string, MethodDefinition['original']>)[name]!;
    const definition = defineResponse(prototype, name, original, where, { ...this.#options, vary });
    const response: ResponseOptions = {
      ...(definition.response as ResponseOptions),
      everything: { paths: this.#paths },
    };
    return Object.freeze({ ...definition, response });
  }
}

/** The methods with `@Get()` and without a caching decorator, including inherited ones. */
function handlersOf(controller: Function): readonly string[] {
  const names = memberKeysOf(controller).filter((key) => typeof key === 'string');
  return names.filter((name) => {
    const handler = memberOf(controller.prototype as object, name);
    if (typeof handler !== 'function' || !handlesOnlyGet(handler)) return false;
    return !isNoCache(handler) && definitionOf(controller, name) === undefined;
  });
}

function isExcludable(one: unknown): boolean {
  return typeof one === 'function' || (typeof one === 'string' && one.startsWith('/'));
}
