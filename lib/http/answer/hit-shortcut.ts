import type { ExecutionContext } from '@nestjs/common';
import type { Exchange, Lookup } from '../exchange.js';
import type { CachedRoute } from '../route/cached-route.js';
import { type Pipeline, type RegisteringAdapter, wrapPipelines } from './pipelines.js';

/** Looks a request up in the cache before Nest's pipeline runs. */
export interface HitSource {
  /** @returns a function that sends the hit; on a miss, the lookup, which the interceptor continues */
  tryHit(route: CachedRoute, request: Exchange['request'], response: object): (() => void) | Lookup;
}

/** The cached route that a pipeline leads to: `undefined` until its first request, `null` if it has no shortcut. */
interface Destination {
  route: CachedRoute | null | undefined;
}

/** A request that has entered a pipeline and not yet reached the interceptor. */
interface PendingRequest {
  readonly destination: Destination;
  readonly lookup: Lookup | undefined;
}

/**
 * Answers hits before Nest's pipeline, for handlers whose pipeline has no effect before our interceptor: no guards, no `@Header()`, no
 * instances to create. That pipeline costs more than the rest of a hit (`npm run bench -- http`).
 *
 * The first request that reaches the interceptor shows the route of its pipeline: it is the pipeline that this request entered last.
 */
export class HitShortcut {
  readonly #pending = new WeakMap<object, PendingRequest>();

  /** @param isPlain returns true if the pipeline of a handler has no effect before the interceptor */
  constructor(readonly isPlain: (handler: Function, controller: Function) => boolean) {}

  /** True if hits are answered before Nest's pipeline. */
  isInstalled = false;

  /** Wraps the pipelines that Nest registers from now on. */
  install(adapter: RegisteringAdapter, source: HitSource): void {
    this.isInstalled = true;
    wrapPipelines(adapter, ['get', 'all'], (pipeline) => this.#shortened(pipeline, source));
  }

  /** Called when a request reaches the interceptor. @returns the lookup of the request, if the shortcut made one: the store is read once */
  arrive(request: object, route: CachedRoute | undefined, context: ExecutionContext): Lookup | undefined {
    const pending = this.#pending.get(request);
    if (pending === undefined) return undefined;
    this.#pending.delete(request);
    const { destination, lookup } = pending;
    if (destination.route === undefined) {
      const mayShorten =
        route?.options.freshness === 'ttl' && this.isPlain(context.getHandler(), context.getClass());
      destination.route = mayShorten ? route : null;
    }
    return lookup;
  }

  #shortened(pipeline: Pipeline, source: HitSource): Pipeline {
    const destination: Destination = { route: undefined };
    return (request, response, next) => {
      const { route } = destination;
      if (route === null) return pipeline(request, response, next);
      try {
        const found = route && source.tryHit(route, request, response);
        if (typeof found === 'function')
          return afterMiddleware(found, () => pipeline(request, response, next));
        this.#pending.set(request, { destination, lookup: found });
      } catch {
        // The pipeline meets the same error, and has exception filters.
      }
      return pipeline(request, response, next);
    };
  }
}

const settled = Promise.resolve();

/**
 * Sends a hit two microtasks later, as Nest's pipeline would at the earliest: middleware may set headers after `next()` or `await next()`.
 */
function afterMiddleware(send: () => void, orElse: () => unknown): void {
  void settled.then().then(send).then(undefined, orElse);
}
