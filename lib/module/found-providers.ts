import { propertyOf } from '../common/property-of.js';
import type { DiscoveryService, ModuleRef } from '@nestjs/core';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { pause } from '../common/async.js';
import { CacheConfigurationError } from '../common/errors.js';
import {
  type ChangeSource,
  type ChangeSourceHost,
  InvalidationFailedError,
  type ResolveInvalidator,
} from '../invalidation/index.js';
import type { OnceLog } from '../observability/once-log.js';
import { unboundCacheManager } from '../stores/cache-manager-store.js';
import type { CacheStore, MaybePromise } from '../stores/store.interface.js';
import type { DataSourceAttacher } from '../typeorm/index.js';
import { isShared } from './application.js';

/** The token of @nestjs/cache-manager, which need not be installed. */
const CACHE_MANAGER = 'CACHE_MANAGER';

/**
 * Binds `cacheManagerStore()` without a backend to the application's CacheModule.
 *
 * @param mustExist whether all providers exist by now
 * @throws CacheConfigurationError if there is no CacheModule
 */
export function bindCacheManager(
  stores: ReadonlyMap<string, CacheStore>,
  discovery: DiscoveryService,
  mustExist: boolean,
): void {
  for (const store of stores.values()) {
    const unbound = unboundCacheManager(store);
    if (unbound === undefined) continue;
    const cache = discovery.getProviders().find(({ token, instance }) => token === CACHE_MANAGER && instance)
      ?.instance as unknown;
    if (cache !== undefined) unbound.use(cache);
    else if (mustExist) throw noCacheModule();
  }
}

function noCacheModule(): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_STORE',
    'cacheManagerStore() found no CacheModule. Import CacheModule.register({ isGlobal: true }) of @nestjs/cache-manager, or pass a ' +
      'cache or a Keyv: cacheManagerStore(new Keyv(…)).',
  );
}

/** Finds the invalidators of rules among the application's providers. */
export function providedInvalidators(moduleRef: ModuleRef, discovery: DiscoveryService): ResolveInvalidator {
  return (type, where) => {
    try {
      return moduleRef.get<object>(type as never, { strict: false });
    } catch (error) {
      const isProvided = discovery.getProviders().some(({ token }) => token === type);
      throw new CacheConfigurationError(
        'INVALIDATOR',
        `${where} has the invalidator ${type.name}, which ${isProvided ? scoped(type) : missing(type)}`,
        { cause: error },
      );
    }
  };
}

function missing({ name }: Function): string {
  return `no module provides. Write @Injectable() on the class, and add ${name} to the providers of a module.`;
}

function scoped({ name }: Function): string {
  return (
    `is request-scoped or transient, or depends on a provider that is: invalidators run outside of requests. Make ${name} a ` +
    `singleton that reads its data from the change or from other singletons.`
  );
}

/** Closes all of these, even if one fails. Failures are logged. */
export async function endAll<T>(
  all: readonly T[],
  end: (one: T) => MaybePromise<void>,
  log: OnceLog,
  what: string,
): Promise<void> {
  for (const result of await Promise.allSettled(all.map(async (one) => end(one))))
    if (result.status === 'rejected') log.error(`end ${what}`, `${what} did not close`, result.reason);
}

/** Time between two looks at stores that do not answer. Milliseconds. */
const DELIVERY_POLL_MS = 100;

/** The change sources of one application. */
export class ModuleChangeSources {
  readonly #host: ChangeSourceHost;
  #isClosed = false;

  constructor(
    private readonly sources: readonly ChangeSource[],
    private readonly runtime: CacheRuntime,
    dataSources: DataSourceAttacher,
  ) {
    const stores = [...new Set(runtime.settings.stores.values())];
    runtime.changeSourceStates = () => sources.flatMap((source) => source.state?.() ?? []);
    this.#host = {
      isShared: stores.some(isShared),
      delivered: () => this.#delivered(dataSources, stores),
      changed: (rows) => ignoreRaised(dataSources.changedElsewhere(rows)),
      missed: () => ignoreRaised(dataSources.missedChanges()),
      failed: (topic, message, error) => runtime.log.error(topic, message, error),
    };
  }

  /** Waits for the background work of rules, then for stores that do not answer. Ends with the shutdown, where nobody waits any more. */
  async #delivered(dataSources: DataSourceAttacher, stores: readonly CacheStore[]): Promise<void> {
    const { clock } = this.runtime.settings;
    await dataSources.drain();
    while (!this.#isClosed && stores.some((store) => (store.state?.().waitingBumps ?? 0) > 0))
      await pause(clock, DELIVERY_POLL_MS);
    if (this.#isClosed && stores.some((store) => (store.state?.().waitingBumps ?? 0) > 0))
      throw new Error('The application shut down before its store took the invalidations.');
  }

  async start(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.start(this.#host)));
  }

  /** Closes all sources, even if one fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await endAll(this.sources, (source) => source.close(), this.runtime.log, 'A change source');
  }
}

/** Ignores errors of rules with `raiseException`: they are logged, there is no write to reject, and the source would report the changes again. */
async function ignoreRaised(handled: Promise<void>): Promise<void> {
  try {
    await handled;
  } catch (error) {
    if (!(error instanceof InvalidationFailedError)) throw error;
  }
}

/** Tells whether something has a prototype on which decorators may have written metadata. */
export function isClassLike(metatype: unknown): metatype is Function {
  return typeof metatype === 'function' && typeof propertyOf(metatype, 'prototype') === 'object';
}
