import 'reflect-metadata';
import { runAroundLoad } from '../../cache/engine/load-context.js';
import { NEST_METADATA } from '../../common/nest-internals.js';
import type { Exchange } from '../exchange.js';

/** A route as Nest's router registers it with the platform: guards, interceptors, pipes, handler, exception filters. */
export type Pipeline = (request: Exchange['request'], response: object, next: unknown) => unknown;

type Register = (...args: unknown[]) => unknown;

/** The methods of Nest's HTTP adapter that register handlers. */
export type RegisteringAdapter = Partial<Record<RegisteringMethod, Register>>;

/** Methods that register routes: `all` is for those of every HTTP method. */
const REGISTERING = [
  ...['all', 'get', 'post', 'put', 'patch', 'delete', 'head', 'options', 'search', 'query'],
  ...['propfind', 'proppatch', 'mkcol', 'copy', 'move', 'lock', 'unlock'],
] as const;
type RegisteringMethod = 'all' | 'get' | (string & {});

/** Runs the pipelines that Nest registers from now on around their loads: what they read there, a load has to hold. */
export function surroundPipelines(adapter: RegisteringAdapter): void {
  wrapPipelines(
    adapter,
    REGISTERING,
    (pipeline) => (request, response, next) => runAroundLoad(() => pipeline(request, response, next)),
  );
}

/** Replaces the pipelines that Nest registers from now on. */
export function wrapPipelines(
  adapter: RegisteringAdapter,
  methods: readonly RegisteringMethod[],
  wrap: (pipeline: Pipeline) => Pipeline,
): void {
  const wrapped = (argument: unknown): unknown =>
    isPipeline(argument) ? likePipeline(wrap(argument), argument) : argument;
  for (const method of methods) {
    const register = adapter[method]?.bind(adapter);
    if (register !== undefined) adapter[method] = (...args) => register(...args.map(wrapped));
  }
}

/** Nest copies the metadata of a handler to its pipeline, for adapters. If a version of Nest does not, no pipeline is wrapped. */
function isPipeline(argument: unknown): argument is Pipeline {
  return typeof argument === 'function' && Reflect.hasMetadata(NEST_METADATA.path, argument);
}

/** Copies metadata and name: adapters read the constraints and options of a route from them. */
function likePipeline(wrapped: Pipeline, pipeline: Pipeline): Pipeline {
  for (const key of Reflect.getMetadataKeys(pipeline) as unknown[])
    Reflect.defineMetadata(key, Reflect.getMetadata(key, pipeline), wrapped);
  Object.defineProperty(wrapped, 'name', { value: pipeline.name, configurable: true });
  return Object.assign(wrapped, pipeline);
}
