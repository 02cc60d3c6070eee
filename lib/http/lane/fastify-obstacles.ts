import { type FastifyReplyLike, type InternalReply, internalsOf } from '../platform/fastify-internals.js';
import { FastifyPlatform } from '../platform/fastify.platform.js';
import { internal, isWatch } from '../platform/watched-requests.js';
import type { FastLaneSettings } from '../route/fast-lane-option.js';
import { adapterHookOf, isOfNest, isSkipped, type LaneAdapter, nameOf, type Obstacles } from './obstacles.js';

/** Hooks that run for a hit, and that the lane skips. */
const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend', 'onResponse'] as const;

/** Hooks of Fastify and its plugins: `runMiddie` runs middleware, which is looked at by itself. */
const HARMLESS = new Set(['runMiddie', 'headRouteOnSendHandler']);

interface FastifyOptions {
  readonly rewriteUrl?: unknown;
  readonly constraints?: object;
  readonly routerOptions?: { readonly constraints?: object };
}

type Lists = Readonly<Record<string, readonly { readonly name: string }[] | null | undefined>>;

/** Hooks of a route. Fastify binds those of the instance, which come first, and then those of the route alone. */
function unboundHooks(bound: NonNullable<Lists['']>, ofInstance: NonNullable<Lists['']>): readonly object[] {
  return bound.map((hook, index) => {
    const name = hook.name.replace(/^bound /, '');
    const original = ofInstance[index];
    return original?.name === name ? original : { name };
  });
}

/** Reads the hooks of a Fastify route, and the middleware of the application. */
export class FastifyObstacles implements Obstacles {
  /** Middleware of the application, as the plugin keeps it, and its number at the first look. */
  #list: readonly unknown[] | undefined;
  #count = 0;

  constructor(private readonly adapter: LaneAdapter) {}

  find(_request: object, reply: object, _target: string, settings: FastLaneSettings): string | undefined {
    const internals = internalsOf(reply as FastifyReplyLike);
    if (internals === undefined) return 'hooks of this version of Fastify';
    if (this.#list === undefined) {
      this.#list = this.#middleware();
      this.#count = this.#list.length;
    }
    const ofRequests = this.#codeOfRequests();
    if (ofRequests !== undefined) return ofRequests;
    if (settings.skip === true) return undefined;
    const hook = adapterHookOf(this.adapter);
    if (hook !== undefined) return hook;
    const { request, server } = reply as InternalReply;
    const context = (request[internals.context] ?? {}) as Lists;
    const ofInstance = internal(server, 'fastify.hooks') as Lists | undefined;
    const hooks = HOOKS.flatMap((name) => unboundHooks(context[name] ?? [], ofInstance?.[name] ?? []));
    const unknown = hooks.find((one) => !this.#isHarmless(one, settings));
    if (unknown !== undefined) return nameOf(unknown);
    return this.#count === 0 ? undefined : 'middleware';
  }

  /** Options by which the application chooses a route by more than method, target and host. They cannot be skipped. */
  #codeOfRequests(): string | undefined {
    const options = internal(this.adapter.getInstance(), 'fastify.options') as FastifyOptions | undefined;
    if (options === undefined) return 'options of this version of Fastify';
    if (options.rewriteUrl !== undefined && options.rewriteUrl !== null) return 'rewriteUrl';
    const constraints = { ...options.constraints, ...options.routerOptions?.constraints };
    return Object.keys(constraints).some((name) => name !== 'version') ? 'constraints' : undefined;
  }

  #isHarmless(hook: unknown, settings: FastLaneSettings): boolean {
    if (isSkipped(settings, hook) || isWatch(hook) || FastifyPlatform.isHook(hook)) return true;
    return HARMLESS.has(nameOf(hook)) || (typeof hook === 'function' && isOfNest(this.adapter, hook));
  }

  #middleware(): readonly unknown[] {
    const list = internal(this.adapter.getInstance(), 'fastify-middie-middlewares');
    return Array.isArray(list) ? list : [];
  }

  hasChanged(): boolean {
    return this.#list !== undefined && this.#list.length !== this.#count;
  }
}
