import type { ExecutionContext } from '@nestjs/common';
import 'reflect-metadata';
import { NEST_METADATA } from '../../common/nest-internals.js';
import type { Exchange, Lookup } from '../exchange.js';
import type { CachedRoute } from '../route/cached-route.js';

/** A route as Nest's router registers it with the platform: guards, interceptors, pipes, handler. */
type Pipeline = (request: Exchange['request'], response: object, next: unknown) => unknown;

type Register = (...args: unknown[]) => unknown;

/** The part of Nest's HTTP adapter that handlers of GET are registered with. */
export interface RegisteringAdapter {
  get: Register;
  all: Register;
}

/** Looks a request up in the cache before Nest's pipeline runs. */
export interface HitSource {
  /** @returns what sends the hit; where there is none, the lookup, which the interceptor goes on with */
  tryHit(route: CachedRoute, request: Exchange['request'], response: object): (() => void) | Lookup;
}

/** The cached route that a pipeline leads to: `undefined` until its first request, `null` where there is no shortcut to it. */
interface Destination {
  route: CachedRoute | null | undefined;
}

/** A request on its way through a pipeline to the interceptor. */
interface PendingRequest {
  readonly destination: Destination;
  readonly lookup: Lookup | undefined;
}

/**
 * Answers hits before Nest's pipeline, for handlers whose pipeline has no effect before our interceptor: no guards, no
 * `@Header()`, no instances to make. Running that pipeline costs more than the rest of a hit (`npm run bench -- hit`).
 *
 * The route of a pipeline is learnt from the first request that reaches the interceptor: the pipeline that a request entered
 * last is the one that brought it there.
 */
export class HitShortcut {
  readonly #pending = new WeakMap<object, PendingRequest>();

  /** @param isPlain whether the pipeline of a handler has no effect before the interceptor */
  constructor(private readonly isPlain: (handler: Function, controller: Function) => boolean) {}

  /** Wraps the pipelines that Nest registers from now on. */
  install(adapter: RegisteringAdapter, source: HitSource): void {
    for (const method of ['get', 'all'] as const) {
      const register = adapter[method].bind(adapter);
      adapter[method] = (...args) =>
        register(...args.map((arg) => (isPipeline(arg) ? this.#shortened(arg, source) : arg)));
    }
  }

  /** Called when a request reaches the interceptor. @returns its lookup, if there was one: the store is asked once */
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
    const shortened: Pipeline = (request, response, next) => {
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
    return likePipeline(shortened, pipeline);
  }
}

/** Nest copies the metadata of a handler to its pipeline, for adapters. Where it does not, nothing is shortened. */
function isPipeline(argument: unknown): argument is Pipeline {
  return typeof argument === 'function' && Reflect.hasMetadata(NEST_METADATA.path, argument);
}

/** Adapters read the constraints and the options of a route from the metadata and the name of its pipeline. */
function likePipeline(shortened: Pipeline, pipeline: Pipeline): Pipeline {
  for (const key of Reflect.getMetadataKeys(pipeline) as unknown[])
    Reflect.defineMetadata(key, Reflect.getMetadata(key, pipeline), shortened);
  Object.defineProperty(shortened, 'name', { value: pipeline.name, configurable: true });
  return Object.assign(shortened, pipeline);
}

const settled = Promise.resolve();

/**
 * Sends a hit two microtasks later, as Nest's pipeline would at the earliest: middleware may set headers after `next()` or
 * `await next()`.
 */
function afterMiddleware(send: () => void, orElse: () => unknown): void {
  void settled.then().then(send).then(undefined, orElse);
}
