import type { FactoryProvider, Provider, Type } from '@nestjs/common';
import 'reflect-metadata';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Deadline } from '../common/async.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { metadataOf, propertyOf } from '../common/property-of.js';
import { BackgroundDispatcher, DISPATCHER_METADATA, InlineDispatcher } from '../dispatchers/index.js';
import {
  type Dispatcher,
  DispatcherRegistry,
  type DispatcherSettings,
  INLINE,
  type InvalidationService,
} from '../invalidation/index.js';

/** The provider of the module's options, checked and completed. */
export const MODULE_SETTINGS = Symbol('nestjs-restflow-cache.settings');
/** The provider of the instances of `forRoot({ dispatchers })`. */
export const MODULE_DISPATCHERS = Symbol('nestjs-restflow-cache.dispatchers');
/** The provider of the DataSources that the application watches. */
export const MODULE_DATA_SOURCES = Symbol('nestjs-restflow-cache.data-sources');
/** The provider of {@link ModuleWiring}. */
export const MODULE_WIRING = Symbol('nestjs-restflow-cache.wiring');

/**
 * An item of `dispatchers`: a class with `@InvalidationDispatcher()`, an instance of one, or a factory provider.
 *
 * @example
 * dispatchers: [
 *   MyDispatcher,
 *   outboxDispatcher(),
 *   { inject: [ConfigService], useFactory: (config: ConfigService) => bullMqDispatcher({ connection: config.get('redis') }) },
 * ]
 *
 * @publicApi
 */
export type DispatcherProvider =
  | Type<Dispatcher>
  | Dispatcher
  | {
      readonly inject?: FactoryProvider['inject'];
      readonly useFactory: (...args: never[]) => Dispatcher | Promise<Dispatcher>;
    };

const BACKGROUND = 'background';

/** Providers of the given dispatchers, and one provider of their list. */
export function dispatcherProviders(given: readonly DispatcherProvider[]): Provider[] {
  const providers = given.map((one) => {
    if (typeof one === 'function') return one;
    if (!isObject(one)) throw nameless(one);
    const provide = Symbol('dispatcher');
    return 'useFactory' in one
      ? {
          provide,
          inject: one.inject ?? [],
          useFactory: one.useFactory as (...args: unknown[]) => Dispatcher,
        }
      : { provide, useValue: one };
  });
  const tokens = providers.map((one) => (typeof one === 'function' ? one : one.provide));
  const all = {
    provide: MODULE_DISPATCHERS,
    inject: tokens,
    useFactory: (...dispatchers: Dispatcher[]) => dispatchers,
  };
  return [...providers, all];
}

/** The dispatchers of one application: `inline`, `background`, and those of the application. */
export class ModuleDispatchers {
  readonly registry: DispatcherRegistry;

  constructor(defaultDispatcher: string, settings: DispatcherSettings) {
    this.registry = new DispatcherRegistry(defaultDispatcher, settings, nameOfClass);
    this.registry.add(INLINE, new InlineDispatcher());
  }

  /**
   * @param given the instances of `forRoot({ dispatchers })`
   * @param providers all providers of the application, some of which may be dispatchers
   * @throws CacheConfigurationError for a dispatcher without a name, and for two with the same name
   */
  add(given: readonly Dispatcher[], providers: Iterable<unknown>): void {
    for (const dispatcher of given) {
      const name = nameOfDispatcher(dispatcher);
      if (name === undefined) throw nameless(dispatcher);
      this.registry.add(name, dispatcher);
    }
    for (const instance of providers) {
      const name = nameOfDispatcher(instance);
      if (name !== undefined) this.registry.add(name, instance as Dispatcher);
    }
    if (!this.registry.has(BACKGROUND)) this.registry.add(BACKGROUND, new BackgroundDispatcher());
    this.registry.resolve(undefined, 'RestflowCacheModule: defaultDispatcher');
  }

  start(runtime: CacheRuntime, service: InvalidationService, dataSources: readonly object[]): Promise<void> {
    for (const name of this.registry.unreadSettings)
      runtime.log.warn(
        `settings ${name}`,
        `RestflowCacheModule: dispatcherSettings has settings for '${name}', which no dispatcher of this application reads: they have no effect.`,
      );
    runtime.dispatcherStates = () => this.registry.states();
    return this.registry.start((name) => {
      const counters = runtime.counters.dispatcher(name);
      return {
        namespace: runtime.space.namespace,
        handle: (job) => service.handle(job, name),
        dataSources,
        coarser: (tag) => runtime.space.coarser(tag),
        failed: (topic, message, error) => {
          counters.failures++;
          runtime.log.error(topic, message, error);
        },
      };
    });
  }

  close(runtime: CacheRuntime, deadline: Deadline): Promise<void> {
    return this.registry.close(
      (error) =>
        runtime.log.error(
          'dispatcher close',
          'A dispatcher did not close, so its waiting jobs may be lost',
          error,
        ),
      deadline,
    );
  }
}

function nameOfClass(type: unknown): string | undefined {
  return metadataOf(type, DISPATCHER_METADATA) as string | undefined;
}

function nameOfDispatcher(instance: unknown): string | undefined {
  return nameOfClass(propertyOf(instance, 'constructor'));
}

function isObject(given: unknown): given is object {
  return typeof given === 'object' && given !== null;
}

function nameless(given: unknown): CacheConfigurationError {
  const problem = isObject(given)
    ? `${describe(given)}, which has no name. Write @InvalidationDispatcher('name') on the class.`
    : `${String(given)}. Write a class, an instance, or { useFactory } that returns one; an undefined class is usually a circular import.`;
  return new CacheConfigurationError(
    'DISPATCHER_NAME',
    `RestflowCacheModule: dispatchers contains ${problem}`,
  );
}
