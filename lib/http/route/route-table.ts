import type { KeyRequest } from '../../keys/key.interface.js';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { Call } from '../../cache/engine/call.js';
import type { RequestDescription } from '../../cache/cached-method.js';
import type { MethodDefinition } from '../../cache/definition.js';

import { CacheConfigurationError, CacheUsageError } from '../../common/errors.js';
import { assertRouteMetadata, headersOf, pathsOf } from '../../common/nest-internals.js';
import type { MethodTarget } from '../../cache/method-target.js';
import type { InputRules } from '../inputs/input-rules.js';
import { assertBodyInKey, hasBodies } from './cacheable-methods.js';
import {
  CachedRoute,
  requestVersion,
  type RequestVersion,
  type Versioning,
  versionPrefix,
} from './cached-route.js';
import { handlesMethod, handlerShape } from './handler-shape.js';
import type { HttpPlatform } from '../platform.interface.js';
import { KeyLimit, type KeyLimitSettings } from './key-limit.js';
import type { ResponseOptions } from './response-options.js';
import { RoutePaths, RoutePattern } from './route-paths.js';

import { varyMembers } from '../headers/vary.js';
import type { StoredUris } from './stored-uris.js';
import { InvalidationHistory } from '../../cache/invalidation-history.js';

/** Settings that all routes of an application share. */
export interface RouteSettings {
  readonly platform: HttpPlatform | undefined;
  /** Global prefix of the application; may contain parameters. */
  readonly globalPrefix: string;
  /** Paths of modules that `RouterModule` mounts; may contain parameters. */
  readonly modulePaths: readonly string[];
  /** Versioning of the application, for handlers that serve several versions. */
  readonly versioning: Versioning | undefined;
  /** Number of modules that have a controller: `RouterModule` may give each module another path. */
  readonly mountsOf: (controller: Function) => number;
  readonly setCacheHeaders: boolean;
  readonly keyLimit: KeyLimitSettings;
  /** `true` for every route; a secret for requests that are signed with it. */
  readonly explain: boolean | ExplainSecret;
  readonly inputs: InputRules;
  /** True if a controller, or a provider that its handlers use, is request-scoped. */
  readonly isScoped: (controller: Function) => boolean;
}

/** Secret that signs requests for an explanation. */
export interface ExplainSecret {
  readonly secret: string;
}

/** The platform of application contexts: they serve no requests, but may drop responses by descriptions of requests. */
const NO_HTTP = { routePath: () => '' } as unknown as HttpPlatform;

/** The cached handlers of an application. */
export class RouteTable {
  readonly #routes = new Map<Function, Map<Function, CachedRoute>>();
  readonly #byTarget = new Map<MethodTarget, CachedRoute>();
  readonly #patterns = new Map<CachedRoute, RoutePattern>();
  readonly #version: RequestVersion | undefined;
  readonly #paths: RoutePaths;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly settings: RouteSettings,
  ) {
    assertRouteMetadata();
    this.#version = settings.versioning && requestVersion(settings.versioning);
    if (settings.explain !== false) runtime.invalidationHistory ??= new InvalidationHistory();
    this.#paths = new RoutePaths(runtime, settings.platform ?? NO_HTTP);
  }

  /** Finds the entries that unsafe requests drop; `undefined` if no handler is cached. */
  get storedUris(): StoredUris | undefined {
    return this.#paths.isEmpty ? undefined : this.#paths;
  }

  find(handler: Function, controller: Function): CachedRoute | undefined {
    return this.#routes.get(handler)?.get(controller);
  }

  /** All cached handlers. */
  get routes(): Iterable<CachedRoute> {
    return this.#byTarget.values();
  }

  routeOf(target: MethodTarget): CachedRoute | undefined {
    return this.#byTarget.get(target);
  }

  /** @param path percent-encoded, without the query */
  leadsTo(route: CachedRoute, path: string): boolean {
    return this.#patterns.get(route)?.match(path) !== undefined;
  }

  /** Adds a decorated handler. @throws CacheConfigurationError if Nest does not route to it */
  add(definition: MethodDefinition, controller: Function): MethodTarget {
    const handler = (controller.prototype as Record<string, Function>)[definition.methodName]!;
    if (pathsOf(handler).length === 0) throw notARoute(definition.where, 'has no @Get()');
    const { methods, setCacheHeaders, keyLimit, explain } = definition.response as ResponseOptions;
    const unanswered = [...methods].find((method) => !handlesMethod(handler, method));
    if (unanswered !== undefined) throw doesNotAnswer(definition.where, unanswered, methods);
    const { globalPrefix, modulePaths } = this.settings;
    const shape = handlerShape(controller, definition.methodName, [globalPrefix, ...modulePaths]);
    const target = this.runtime.target(definition, controller, shape);
    assertBodyInKey(methods, target.key.readsBody, definition.where);
    const platform = this.settings.platform ?? NO_HTTP;
    const route = new CachedRoute(
      target,
      platform,
      definition.rules.length > 0,
      setCacheHeaders ?? this.settings.setCacheHeaders,
      new KeyLimit(this.runtime.engine.clock, keyLimit ?? this.settings.keyLimit),
      explain ?? this.settings.explain === true,
      this.#onlyPath(controller, handler),
      this.#version,
      new Set(shape.routeParams),
      headersOf(handler)
        .filter(({ name }) => name.toLowerCase() === 'vary')
        .flatMap(({ value }) => varyMembers(value)),
      this.settings.inputs,
      this.settings.isScoped(controller),
    );
    this.#warnOfScope(route);
    const pattern = this.#pattern(controller, handler);
    this.#paths.add(route, pattern);
    this.#patterns.set(route, pattern);
    if (route.explains) this.runtime.invalidationHistory ??= new InvalidationHistory();
    const controllers = this.#routes.get(handler) ?? new Map<Function, CachedRoute>();
    this.#routes.set(handler, controllers.set(controller, route));
    this.#byTarget.set(target, route);
    return target;
  }

  /** The path of a handler with a single path: keys use it without reading it from the request. */
  #onlyPath(controller: Function, handler: Function): string | undefined {
    const [own, ...more] = pathsOf(handler);
    const [before = '', ...others] = pathsOf(controller);
    const several = more.length + others.length > 0 || this.settings.mountsOf(controller) > 1;
    return this.#version !== undefined || several ? undefined : `/${before}/${own!}`.replace(/\/{2,}/g, '/');
  }

  #warnOfScope({ isScoped, inputs, options, target }: CachedRoute): void {
    if (!isScoped || inputs.hasKeyContext || options.shared || target.key.hasIdentity) return;
    this.runtime.log.warn(
      `scoped ${target.name}`,
      `No answer of ${target.name} is stored: it uses a request-scoped provider, so the answer may depend on anything in the request. If ` +
        `the answer is the same for every user, write shared: true; if it depends on the user, add the user to its key; if it depends on a ` +
        `context, write forRoot({ keyContext }).`,
    );
  }

  #pattern(controller: Function, handler: Function): RoutePattern {
    const { globalPrefix, modulePaths, versioning, platform } = this.settings;
    return new RoutePattern(
      { global: globalPrefix, modules: modulePaths, version: versioning && versionPrefix(versioning) },
      pathsOf(controller),
      pathsOf(handler),
      platform?.name !== 'fastify',
    );
  }

  /** The call of a request with this description. */
  describe(target: MethodTarget, description: RequestDescription): Call {
    const route = this.#routeOf(target);
    return route.call(requestOf(route, description));
  }

  /** A call with the tags of a request with this description. */
  tagged(target: MethodTarget, description: RequestDescription): Call {
    return target.tagged([], requestOf(this.#routeOf(target), description));
  }

  #routeOf(target: MethodTarget): CachedRoute {
    const route = this.#byTarget.get(target);
    if (route !== undefined) return route;
    throw new CacheUsageError('CACHE_HANDLER', `${target.name} has no route in this application.`);
  }
}

/** Makes the request that the platform would have parsed. */
function requestOf(
  { options }: CachedRoute,
  { method, params = {}, query = {}, headers = {}, cookies, user, body }: RequestDescription,
): KeyRequest {
  const lower: Record<string, string> = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const [first] = options.methods;
  if (body !== undefined) lower['content-type'] ??= 'application/json';
  return { method: method ?? first!, headers: lower, params, query, cookies, user, body };
}

function doesNotAnswer(where: string, method: string, methods: ReadonlySet<string>): CacheConfigurationError {
  const what = hasBodies(methods)
    ? `Name the method of its route in methods.`
    : `Remove the decorator, or move the expensive part into a method with @CacheResult(). A POST or QUERY that only reads may be ` +
      `cached with methods: ['POST'].`;
  return new CacheConfigurationError(
    'CACHE_NOT_GET',
    `@CacheResponse() on ${where} caches ${method}, which its route does not answer. ${what}`,
  );
}

export function notARoute(where: string, why: string): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_NOT_HTTP',
    `@CacheResponse() on ${where}: it ${why}. Only HTTP handlers of controllers have a response to cache; for resolvers, ` +
      `message handlers and services use @CacheResult().`,
  );
}
