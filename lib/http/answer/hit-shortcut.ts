import type { ExecutionContext } from '@nestjs/common';
import 'reflect-metadata';
import type { Exchange, Lookup } from '../exchange.js';
import type { CachedRoute } from '../route/cached-route.js';

/** What Nest's router gives to the platform for a route: its pipeline. */
type Pipeline = (request: Exchange['request'], response: object, next: unknown) => unknown;

type Register = (...args: unknown[]) => unknown;

/** The part of Nest's HTTP adapter that handlers of GET are registered with. */
export interface RegisteringAdapter {
  get: Register;
  all: Register;
}

/** Says what the cache has for a request: something that sends it, or what was found in place of a hit. */
export type TryHit = (
  route: CachedRoute,
  request: Exchange['request'],
  response: object,
) => (() => void) | Lookup;

/** One registered pipeline, and the cached route it leads to: `undefined` until a request showed it, `null` for none. */
interface KnownPipeline {
  route: CachedRoute | null | undefined;
}

/** A request that entered a pipeline, and what was found for it. */
interface PendingRequest {
  readonly way: KnownPipeline;
  readonly found: Lookup | undefined;
}

/**
 * Answers hits without Nest's pipeline, where it would come to our interceptor without having done anything: no guard would
 * run, no header be set, no instance be made. The pipeline, and its objects that are thrown away, cost more than the rest of a hit.
 *
 * Which route a pipeline leads to is learnt from the first request that arrives at the interceptor; the pipeline that a request
 * entered last is the one that brought it there.
 */
export class HitShortcut {
  readonly #passages = new WeakMap<object, PendingRequest>();

  /** @param isPlain whether the pipeline of a handler does nothing before the interceptor */
  constructor(private readonly isPlain: (handler: Function, controller: Function) => boolean) {}

  /** Has to be there before Nest registers the routes. */
  install(adapter: RegisteringAdapter, glance: TryHit): void {
    for (const method of ['get', 'all'] as const) {
      const register = adapter[method].bind(adapter);
      adapter[method] = (...args) => register(...args.map((arg) => this.#around(arg, glance)));
    }
  }

  /** A request arrived at the interceptor. @returns what was found for it on the way, so that nobody is asked twice */
  arrive(request: object, route: CachedRoute | undefined, context: ExecutionContext): Lookup | undefined {
    const passage = this.#passages.get(request);
    if (passage === undefined) return undefined;
    this.#passages.delete(request);
    const { way, found } = passage;
    if (way.route === undefined) {
      const mayShorten =
        route?.options.freshness === 'ttl' && this.isPlain(context.getHandler(), context.getClass());
      way.route = mayShorten ? route : null;
    }
    return found;
  }

  #around(pipeline: unknown, glance: TryHit): unknown {
    if (!isPipeline(pipeline)) return pipeline;
    const way: KnownPipeline = { route: undefined };
    const shortened: Pipeline = (request, response, next) => {
      if (way.route === null) return pipeline(request, response, next);
      try {
        const found = way.route && glance(way.route, request, response);
        if (typeof found === 'function')
          return afterMiddleware(found, () => pipeline(request, response, next));
        this.#passages.set(request, { way, found });
      } catch {
        // What fails here fails in the pipeline again, which has exception filters.
      }
      return pipeline(request, response, next);
    };
    return likePipeline(shortened, pipeline);
  }
}

/** Nest tells its adapters of a route by the metadata of the handler, which it copies to the pipeline. */
function isPipeline(argument: unknown): argument is Pipeline {
  return typeof argument === 'function' && Reflect.hasMetadata('path', argument);
}

/** The adapter reads the constraints and the options of a route from it. */
function likePipeline(shortened: Pipeline, pipeline: Pipeline): Pipeline {
  for (const key of Reflect.getMetadataKeys(pipeline) as unknown[])
    Reflect.defineMetadata(key, Reflect.getMetadata(key, pipeline), shortened);
  Object.defineProperty(shortened, 'name', { value: pipeline.name, configurable: true });
  return Object.assign(shortened, pipeline);
}

/**
 * Once what middleware does behind `next()`, or behind `await next()`, is done: it may set headers there, since Nest's pipeline
 * answers no sooner.
 */
function afterMiddleware(send: () => void, orElse: () => unknown): void {
  void settled.then(noop).then(send).then(noop, orElse);
}

const settled = Promise.resolve();
const noop = (): void => undefined;

/** Nest's metadata, by the names it has used since its first version. */
const GUARDS = '__guards__';
const HEADERS = '__headers__';
const HOST = 'host';
const SSE = '__sse__';

/** What of an application decides whether its pipelines do something before the interceptors. */
export interface PipelineSettings {
  getGlobalGuards(): readonly unknown[];
  getGlobalRequestGuards(): readonly unknown[];
  getVersioning(): { readonly type?: number } | undefined;
}

/** Nest's `VersioningType`: only these versions stand in the path, which the platform goes by. */
const URI = 0;

/**
 * Whether Nest's pipeline comes to the first interceptor without having done anything for a request that others can see: no
 * guards, no `@Header()`, no choice by host or version.
 *
 * Controllers that are made for each request are left to the caller: no metadata tells them.
 */
export function isPlainPipeline(app: PipelineSettings, handler: Function, controller: Function): boolean {
  const versioning = app.getVersioning();
  return (
    app.getGlobalGuards().length + app.getGlobalRequestGuards().length === 0 &&
    (versioning === undefined || versioning.type === URI) &&
    isEmpty(Reflect.getMetadata(GUARDS, controller)) &&
    isEmpty(Reflect.getMetadata(GUARDS, handler)) &&
    isEmpty(Reflect.getMetadata(HEADERS, handler)) &&
    Reflect.getMetadata(HOST, controller) === undefined &&
    Reflect.getMetadata(SSE, handler) === undefined
  );
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}
