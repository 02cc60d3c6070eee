import { AbstractHttpAdapter } from '@nestjs/core';
import { isWatch } from '../platform/watched-requests.js';
import type { FastLaneSettings } from '../route/fast-lane-option.js';

// All undocumented parts of Nest's adapters and of Express that the lane relies on are in this file. Where one differs, the code is unknown,
// and an obstacle.

/** The adapter of an application, as far as the lane needs it. */
export interface LaneAdapter {
  getInstance(): object;
  readonly isShuttingDown?: boolean;
}

/** Finds code that runs before the pipeline of a request, and that a hit on the lane would skip. */
export interface Obstacles {
  /** @returns the name of the first such code, or `undefined` */
  find(request: object, response: object, target: string, settings: FastLaneSettings): string | undefined;
  /** True if code was added after the first look. */
  hasChanged(): boolean;
}

/** Functions that Nest's adapters call before or after each request, if the application has set them. */
const ADAPTER_HOOKS = ['onRequestHook', 'onResponseHook', 'corsHook', 'securityHook'] as const;

/** The name of a hook of the adapter that the application has set. */
export function adapterHookOf(adapter: LaneAdapter): string | undefined {
  const hooks = adapter as Partial<Record<(typeof ADAPTER_HOOKS)[number], unknown>>;
  return ADAPTER_HOOKS.find((name) => hooks[name] !== undefined && hooks[name] !== null);
}

/** Sources of functions that were found in the class of an adapter. */
const ofAdapters = new WeakMap<Function, boolean>();

/** True if a function is written in the class of Nest's own adapter: these call the hooks of the adapter, and nothing else. */
export function isOfNest(adapter: LaneAdapter, code: Function): boolean {
  let known = ofAdapters.get(code);
  if (known === undefined) {
    known = nestClassOf(adapter)?.toString().includes(code.toString()) === true;
    ofAdapters.set(code, known);
  }
  return known;
}

function nestClassOf(adapter: LaneAdapter): Function | undefined {
  let type = adapter.constructor as Function | null;
  while (type !== null && type !== Function.prototype) {
    const parent = Object.getPrototypeOf(type) as Function | null;
    if (parent === AbstractHttpAdapter) return type;
    type = parent;
  }
  return undefined;
}

export function nameOf(code: unknown): string {
  const { name } = (code ?? {}) as { readonly name?: unknown };
  return typeof name === 'string' && name !== '' ? name : 'a function without a name';
}

export function isSkipped({ skip }: FastLaneSettings, code: unknown): boolean {
  if (skip === true) return true;
  return skip.has(code as Function) || skip.has(nameOf(code));
}

interface Layer {
  readonly handle?: unknown;
  readonly route?: { readonly stack?: readonly { readonly handle?: unknown }[] };
  match(path: string): boolean;
}

interface ExpressApplication {
  readonly _router?: { readonly stack?: Layer[] };
  readonly router?: { readonly stack?: Layer[] };
}

/** Middleware of Express and Nest that has no effect on requests without a body. */
const HARMLESS = new Set([
  'query',
  'expressInit',
  'jsonParser',
  'urlencodedParser',
  'rawParser',
  'textParser',
]);

/** Reads the stack of an Express application. */
export class ExpressObstacles implements Obstacles {
  #layers: number | undefined;

  constructor(private readonly adapter: LaneAdapter) {}

  get #stack(): readonly Layer[] | undefined {
    const app = this.adapter.getInstance() as ExpressApplication;
    return (app._router ?? app.router)?.stack;
  }

  find(
    request: { readonly route?: unknown },
    _response: object,
    target: string,
    settings: FastLaneSettings,
  ): string | undefined {
    const stack = this.#stack;
    if (stack === undefined) return 'the router of this version of Express';
    this.#layers ??= stack.length;
    const hook = adapterHookOf(this.adapter);
    if (hook !== undefined && settings.skip !== true) return hook;
    const path = target.split('?', 1)[0]!;
    for (const layer of stack) {
      if (layer.route !== undefined && layer.route === request.route) return undefined;
      if (!this.#isHarmless(layer, settings) && mayMatch(layer, path))
        return nameOf(layer.route?.stack?.[0]?.handle ?? layer.handle);
    }
    return 'an outer router';
  }

  #isHarmless({ handle, route }: Layer, settings: FastLaneSettings): boolean {
    if (isSkipped(settings, handle) || isWatch(handle)) return true;
    if (route !== undefined || typeof handle !== 'function') return false;
    return HARMLESS.has(handle.name) || isOfNest(this.adapter, handle);
  }

  hasChanged(): boolean {
    return this.#layers !== undefined && this.#stack?.length !== this.#layers;
  }
}

/** A path that cannot be decoded may match. */
function mayMatch(layer: Layer, path: string): boolean {
  try {
    return layer.match(path);
  } catch {
    return true;
  }
}
