import { Inject, Logger, Optional } from '@nestjs/common';
import { injectedProperties } from '../common/nest-internals.js';
import type { CacheRuntime } from './cache-runtime.js';
import type { MethodDefinition } from './definition.js';
import { currentLoad } from './engine/load-context.js';

/** The provider under which decorated classes find the cache of their application. */
export const CACHE_RUNTIME = Symbol.for('nestjs-restflow-cache.runtime');

/** The property of an instance that Nest injects the runtime into. */
const RUNTIME = Symbol('nestjs-restflow-cache.runtime');

interface Managed {
  [RUNTIME]?: CacheRuntime;
}

/**
 * What stands in a class in place of a method decorated with `@CacheResult`: it asks the application that made the
 * instance. The runtime comes by property injection, so that singletons, request-scoped and transient providers,
 * controllers and several applications in one process each find their own.
 */
export function createPatchedMethod(definition: MethodDefinition): (...args: unknown[]) => Promise<unknown> {
  const { original } = definition;
  const unmanaged = warnOnceUnmanaged(`${definition.where} runs uncached`);
  const trampoline = function (this: Managed & object, ...args: unknown[]): Promise<unknown> {
    const runtime = this?.[RUNTIME];
    if (runtime === undefined) {
      unmanaged();
      // What it depends on is not known here, so nothing that is made from it may be stored.
      currentLoad()?.refuse(`${definition.where} inside it runs uncached`, true);
      return original.apply(this, args as never[]);
    }
    const answer = runtime.invoke(definition, this, args);
    return answer instanceof Promise ? answer : Promise.resolve(answer);
  };
  Object.defineProperty(trampoline, 'name', { value: original.name, configurable: true });
  Object.defineProperty(trampoline, 'length', { value: original.length, configurable: true });
  return trampoline;
}

/** Lets Nest inject the runtime into instances of the class that `prototype` belongs to. */
export function injectRuntime(prototype: object): void {
  if (injectedProperties(prototype.constructor).includes(RUNTIME)) return;
  Inject(CACHE_RUNTIME)(prototype, RUNTIME);
  Optional()(prototype, RUNTIME);
}

/** The runtime that Nest injected into an instance. */
export function runtimeOf(instance: object): CacheRuntime | undefined {
  return (instance as Managed)[RUNTIME];
}

/** Says once what a decorated method does not do on an instance that has no cache. */
export function warnOnceUnmanaged(what: string): () => void {
  let said = false;
  return () => {
    if (said) return;
    said = true;
    new Logger('RestflowCache').warn(
      `${what} on an instance that Nest did not create, or without RestflowCacheModule. Let Nest create ` +
        `the instance (a provider class, not new or a factory), and import RestflowCacheModule.forRoot() once.`,
    );
  };
}
