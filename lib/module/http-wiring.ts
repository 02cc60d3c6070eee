import type { DiscoveryService, HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { Deadline } from '../common/async.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { CacheUsageError } from '../common/errors.js';
import {
  type ApplicationConfigLike,
  canTellPlainPipelines,
  isPlainPipeline,
} from '../common/nest-internals.js';
import { type HitSource, HitShortcut } from '../http/answer/hit-shortcut.js';
import { type RegisteringAdapter, surroundPipelines } from '../http/answer/pipelines.js';
import { whyNotInLane } from '../http/lane/eligibility.js';
import { FastLane } from '../http/lane/fast-lane.js';
import type { HttpPlatform } from '../http/platform.interface.js';
import { ExpressPlatform } from '../http/platform/express.platform.js';
import { FastifyPlatform } from '../http/platform/fastify.platform.js';
import { watchExpress, watchFastify } from '../http/platform/watched-requests.js';
import { isAuthenticatedByDefault } from '../http/request/admission.js';
import { ResponseCacheInterceptor } from '../http/response-cache.interceptor.js';
import { RewarmResponses } from '../http/rewarm/rewarm-responses.js';
import type { RouteTable } from '../http/route/route-table.js';
import type { OnceLog } from '../observability/once-log.js';
import {
  type Rewarm,
  Rewarmer,
  rewarmResult,
  RewarmSigner,
  type RuleRegistry,
  type RunRewarm,
} from '../invalidation/index.js';
import type { ModuleSettings } from './options.js';

export function createInterceptor(
  runtime: CacheRuntime,
  { isAuthenticated = isAuthenticatedByDefault, explain, inputs }: ModuleSettings,
  shortcut: HitShortcut,
): ResponseCacheInterceptor {
  const secret = typeof explain === 'object' ? explain.secret : undefined;
  return new ResponseCacheInterceptor(runtime, isAuthenticated, secret, shortcut, inputs);
}

/**
 * Adds the hooks of the application's HTTP platform, as early as possible: hooks run in the order in which they were added.
 *
 * @returns `undefined` in an application context, and in a testing module that has no adapter yet
 */
export function installPlatform({ httpAdapter }: HttpAdapterHost): HttpPlatform | undefined {
  const adapter = httpAdapter as typeof httpAdapter | null | undefined;
  const type = adapter?.getType();
  if (type === 'express') {
    watchExpress(adapter!.getInstance());
    return new ExpressPlatform();
  }
  if (type !== 'fastify') return undefined;
  watchFastify(adapter!.getInstance());
  FastifyPlatform.install(adapter!.getInstance());
  return new FastifyPlatform();
}

/** Makes the hit shortcut of an application, for handlers that have nothing before the interceptors: no guards, no middleware of Nest. */
export function createShortcut(discovery: DiscoveryService, config: ApplicationConfigLike): HitShortcut {
  return new HitShortcut((handler, controller) => {
    const wrappers = discovery.getControllers().filter(({ metatype }) => metatype === controller);
    // A request-scoped controller is left out: its constructor, and those of its dependencies, must run for each request.
    const isStatic = wrappers.every((wrapper) => wrapper.isDependencyTreeStatic());
    return isStatic && isPlainPipeline(config, handler, controller);
  });
}

/** Wraps the pipelines of routes: loads see what runs around them, and hits skip the pipeline where the shortcut accepts its handler. */
export function installPipelines(
  shortcut: HitShortcut,
  { httpAdapter }: HttpAdapterHost,
  source: HitSource,
  log: OnceLog,
): void {
  const adapter = httpAdapter as unknown as RegisteringAdapter;
  // The application observes every route that runs: the shortcut would hide hits from it.
  const isObserved = httpAdapter.getOnRouteTriggered?.() !== undefined;
  const canShorten = canTellPlainPipelines();
  if (canShorten && !isObserved) shortcut.install(adapter, source);
  // Wraps inside the shortcut: hits need no surroundings.
  surroundPipelines(adapter);
  if (!canShorten && !isObserved)
    log.warn(
      'no shortcut',
      'Hits run through the whole pipeline of Nest and are slower: the metadata of guards and headers cannot be read in this version ' +
        'of @nestjs/core. Use Nest 11 or 12.',
    );
}

/** Puts the fast lane before the platform if a route uses it, and says which routes stay out of it. */
export function installLane(
  runtime: CacheRuntime,
  { httpAdapter }: HttpAdapterHost,
  shortcut: HitShortcut,
  routes: RouteTable,
): FastLane | undefined {
  const using = [...routes.routes].filter(({ options }) => options.fastLane !== undefined);
  const adapter = httpAdapter as typeof httpAdapter | null | undefined;
  if (using.length === 0 || !adapter) return undefined;
  const isFastify = adapter.getType() === 'fastify';
  const server: unknown = adapter.getHttpServer();
  const lane = shortcut.isInstalled ? FastLane.install(runtime, server, adapter, isFastify) : undefined;
  if (lane === undefined) {
    runtime.log.warn(
      'no lane',
      'The fast lane is off: it needs the HTTP/1.1 server of Nest 11 or 12, whose request listener is that of Express or Fastify.',
    );
    return undefined;
  }
  for (const route of using) {
    const { definition, owner } = route.target;
    const handler = (owner.prototype as Record<string, Function>)[definition.methodName]!;
    const why = whyNotInLane(route, shortcut.isPlain(handler, owner));
    if (why !== undefined) lane.refuse(route, why);
  }
  return lane;
}

/** Makes the rewarmer, which computes entries again in a process that has their providers. */
export function createRewarmer(
  runtime: CacheRuntime,
  moduleRef: ModuleRef,
  adapterHost: HttpAdapterHost,
  routes: () => RouteTable | undefined,
  rules: Pick<RuleRegistry, 'rewarms'>,
  secrets: readonly string[],
): Rewarmer {
  const { clock, log, namespace } = runtime.settings;
  // There is no adapter in an application context.
  const server = (): unknown =>
    (adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined)?.getHttpServer();
  const responses = new RewarmResponses(routes, server, clock);
  const run = rewarmWith(runtime, moduleRef, responses, rules);
  return new Rewarmer(clock, log, run, new RewarmSigner(namespace, secrets));
}

function rewarmWith(
  runtime: CacheRuntime,
  moduleRef: ModuleRef,
  responses: RewarmResponses,
  rules: Pick<RuleRegistry, 'rewarms'>,
): RunRewarm {
  return async ({ method, values, request }: Rewarm, isTrusted: boolean) => {
    if (!runtime.enabled) return 'the cache is switched off';
    const target = [...runtime.targets].find(({ name }) => name === method);
    if (target === undefined)
      return 'no provider or controller of this process caches it; import its module in the process that runs its jobs';
    if (!rules.rewarms(target)) return 'none of its rules in this process has rewarm: true';
    if (request !== undefined) return responses.rewarm(target, request, isTrusted);
    if (values === undefined || target.definition.kind === 'response')
      return 'its job contains neither a request nor values';
    const problem = instanceProblem(moduleRef, target.owner);
    return problem ?? rewarmResult(runtime, target, instanceOf(moduleRef, target.owner), values);
  };
}

/** The reason why methods of a class cannot be called outside of a request; `undefined` if they can. */
export function instanceProblem(moduleRef: ModuleRef, owner: Function): string | undefined {
  try {
    instanceOf(moduleRef, owner);
    return undefined;
  } catch {
    return `${owner.name} has no single instance to call; make it a singleton that is provided by its class`;
  }
}

/** The instance of a provider class. @throws CacheUsageError for request-scoped and transient providers, and unknown classes */
export function instanceOf(moduleRef: ModuleRef, owner: Function): object {
  try {
    return moduleRef.get<object>(owner as never, { strict: false });
  } catch (error) {
    throw new CacheUsageError(
      'CACHE_INSTANCE',
      `${owner.name} has no single instance to call: pass one, cache.for(instance, 'method'), as for request-scoped providers.`,
      { cause: error },
    );
  }
}

/** Between two looks at the connections of a server that closes. Milliseconds. */
const IDLE_CHECK_MS = 100;

/** The parts of Node's HTTP server that a shutdown uses. */
interface ClosingServer {
  readonly listening: boolean;
  closeIdleConnections?(): void;
}

/**
 * Ends idle connections of a server that does not listen any more. Node closes those that are idle when it stops listening; one that a
 * request occupies then is kept open for `keepAliveTimeout` after its answer, five seconds by default, and the shutdown with it.
 */
export function endIdleConnections({ httpAdapter }: HttpAdapterHost, deadline: Deadline): void {
  const adapter = httpAdapter as typeof httpAdapter | null | undefined;
  const server = adapter?.getHttpServer() as ClosingServer | undefined;
  if (typeof server?.closeIdleConnections !== 'function') return;
  const check = setInterval(() => {
    if (deadline.left() === 0) clearInterval(check);
    if (!server.listening) server.closeIdleConnections!();
  }, IDLE_CHECK_MS);
  check.unref();
}
