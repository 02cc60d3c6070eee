import type { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { CacheUsageError } from '../common/errors.js';
import { RewarmResponses } from '../http/rewarm/rewarm-responses.js';
import type { RouteTable } from '../http/route/route-table.js';
import { Rewarmer, rewarmResult, type Rewarm, type RunRewarm } from '../invalidation/index.js';

/** Computes entries anew in a process that has their providers; others say that they have none. */
export function createRewarmer(
  runtime: CacheRuntime,
  moduleRef: ModuleRef,
  adapterHost: HttpAdapterHost,
  routes: () => RouteTable | undefined,
): Rewarmer {
  const { clock, log } = runtime.settings;
  // There is no adapter in an application context.
  const server = (): unknown =>
    (adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined)?.getHttpServer();
  const responses = new RewarmResponses((target) => routes()?.routeOf(target), server, clock);
  return new Rewarmer(clock, log, rewarmWith(runtime, moduleRef, responses));
}

function rewarmWith(runtime: CacheRuntime, moduleRef: ModuleRef, responses: RewarmResponses): RunRewarm {
  return async ({ method, values, request }: Rewarm) => {
    if (!runtime.enabled) return 'the cache is switched off';
    const target = [...runtime.targets].find(({ name }) => name === method);
    if (target === undefined)
      return 'no provider or controller of this process caches it; import its module where its jobs are carried out';
    if (request !== undefined) return responses.ask(target, request);
    if (values === undefined || target.definition.kind === 'response')
      return 'its job says neither a request nor values';
    const problem = instanceProblem(moduleRef, target.owner);
    return problem ?? rewarmResult(runtime, target, instanceOf(moduleRef, target.owner), values);
  };
}

/** Why no method of a class can be called outside of a request; `undefined` where it can. */
export function instanceProblem(moduleRef: ModuleRef, owner: Function): string | undefined {
  try {
    instanceOf(moduleRef, owner);
    return undefined;
  } catch {
    return `${owner.name} has no single instance to call; make it a singleton that is provided by its class`;
  }
}

/** The instance of a provider class. @throws CacheUsageError where there is no single one */
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
