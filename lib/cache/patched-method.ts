import { Inject, Logger, Optional } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { injectedProperties } from '../common/nest-internals.js';
import type { CacheRuntime } from './cache-runtime.js';
import type { MaybePromise } from '../stores/store.interface.js';
import type { MethodDefinition } from './definition.js';
import { currentLoad } from './engine/load-context.js';
import { CACHE_RUNTIME, IS_RUNTIME } from './runtime-token.js';

/** Property of an instance into which Nest injects the runtime. */
const RUNTIME = Symbol('nestjs-restflow-cache.runtime');

interface Managed {
  [RUNTIME]?: CacheRuntime;
}

/** Answers a call of a cached method on an instance. */
type Invoke = (runtime: CacheRuntime, self: object, args: readonly unknown[]) => MaybePromise<unknown>;

/**
 * Makes the function that replaces a method decorated with `@CacheResult`. It uses the cache of the application that made the
 * instance: the runtime is injected into a property, so this works for singletons, request-scoped and transient providers, controllers,
 * and several applications in one process.
 */
export function createPatchedMethod(
  definition: MethodDefinition,
  invoke: Invoke = (runtime, self, args) => runtime.invoke(definition, self, args),
): (...args: unknown[]) => Promise<unknown> {
  const original = definition.items?.loadAll ?? definition.original;
  const unmanaged = warnOnceUnmanaged(`${definition.where} runs uncached`);
  const patched = function (this: Managed & object, ...args: unknown[]): Promise<unknown> {
    const runtime = this && runtimeOf(this);
    if (runtime === undefined) {
      unmanaged();
      // The dependencies of this call are not known, so no value made from it may be stored.
      currentLoad()?.refuse(`${definition.where} inside it runs uncached`, true);
      return original.apply(this, args as never[]);
    }
    const answer = invoke(runtime, this, args);
    return answer instanceof Promise ? answer : Promise.resolve(answer);
  };
  Object.defineProperty(patched, 'name', { value: original.name, configurable: true });
  Object.defineProperty(patched, 'length', { value: original.length, configurable: true });
  return patched;
}

/** Lets Nest inject the runtime into instances of the class that `prototype` belongs to. */
export function injectRuntime(prototype: object): void {
  if (injectedProperties(prototype.constructor).includes(RUNTIME)) return;
  Inject(CACHE_RUNTIME)(prototype, RUNTIME);
  Optional()(prototype, RUNTIME);
}

/** The runtime that Nest injected into an instance; `undefined` for a mock of it. */
export function runtimeOf(instance: object): CacheRuntime | undefined {
  const runtime = (instance as Managed)[RUNTIME];
  return runtime?.[IS_RUNTIME] === true ? runtime : undefined;
}

/** Property of a controller into which Nest injects its ModuleRef. */
const MODULE_REF = Symbol('nestjs-restflow-cache.module-ref');

/** Warns at boot if an application caches handlers of a controller and has no cache: nothing else would run that could tell. */
export function expectRuntime(prototype: object, where: string): void {
  if (Object.hasOwn(prototype, MODULE_REF)) return;
  const unmanaged = warnOnceUnmanaged(`${where} is not cached: it runs`);
  const checked = new WeakSet<ModuleRef>();
  Inject(ModuleRef)(prototype, MODULE_REF);
  Object.defineProperty(prototype, MODULE_REF, {
    set(moduleRef: ModuleRef) {
      if (checked.has(moduleRef)) return;
      checked.add(moduleRef);
      // Once the application has all of its providers.
      setImmediate(() => hasRuntime(moduleRef) || unmanaged());
    },
  });
}

function hasRuntime(moduleRef: ModuleRef): boolean {
  try {
    return moduleRef.get(CACHE_RUNTIME, { strict: false }) !== undefined;
  } catch {
    return false;
  }
}

/** Makes a function that warns, once, that a decorated method was called on an instance without a cache. */
export function warnOnceUnmanaged(what: string): () => void {
  let isWarned = false;
  return () => {
    if (isWarned) return;
    isWarned = true;
    new Logger('RestflowCache').warn(
      `${what} on an instance that Nest did not create, or without RestflowCacheModule. Let Nest create ` +
        `the instance (a provider class, not new or a factory), and import RestflowCacheModule.forRoot() once.`,
    );
  };
}
