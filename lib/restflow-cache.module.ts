import { Inject, Module, type DynamicModule, type NestModule, type Provider } from '@nestjs/common';
import { DiscoveryModule, ModuleRef } from '@nestjs/core';
import { CacheRuntime } from './cache/cache-runtime.js';
import { CacheService } from './cache/cache.service.js';
import { CacheConfigurationError } from './cache/errors.js';
import { CACHE_RUNTIME } from './cache/trampoline.js';
import { dispatcherProviders, type DispatcherProvider } from './module-dispatchers.js';
import { InvalidationWorker } from './invalidation/index.js';
import { MODULE_SETTINGS } from './module.constants.js';
import {
  normaliseOptions,
  type ModuleSettings,
  type RestflowCacheAsyncOptions,
  type RestflowCacheOptions,
  type RestflowCacheOptionsFactory,
} from './module-options.js';
import { ModuleWiring } from './module-wiring.js';
import { NOBODY, OnceLog } from './observability/once-log.js';

/**
 * The cache of an application. Global: import it once, in the root module.
 *
 * @example
 * @Module({ imports: [RestflowCacheModule.forRoot({ ttl: '10m' })] })
 * export class AppModule {}
 *
 * @publicApi
 */
@Module({})
export class RestflowCacheModule implements NestModule {
  constructor(@Inject(ModuleRef) private readonly moduleRef: ModuleRef) {}

  /** Called by Nest. */
  configure(): void {
    this.moduleRef.get(ModuleWiring).beforeRoutes();
  }

  /**
   * @param options see {@link RestflowCacheOptions}; everything has a default
   * @throws CacheConfigurationError or TypeError for options that cannot work
   */
  static forRoot(options: RestflowCacheOptions = {}): DynamicModule {
    // What cannot work says so here; hints are for the application's log, when it has one.
    normaliseOptions(options, new OnceLog(NOBODY));
    return compose(
      { provide: MODULE_SETTINGS, useFactory: () => normaliseOptions(options) },
      options.dispatchers ?? [],
      [],
    );
  }

  /**
   * The same, with options that other providers make: `useFactory`, `useClass` or `useExisting`.
   *
   * @throws CacheConfigurationError where none of them is given; at boot, what {@link forRoot} throws
   * @example
   * RestflowCacheModule.forRootAsync({
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ store: redisStore({ url: config.getOrThrow('REDIS_URL') }) }),
   * })
   */
  static forRootAsync(options: RestflowCacheAsyncOptions): DynamicModule {
    const { imports = [], dispatchers = [] } = options;
    const module = compose(settingsProvider(options), dispatchers, imports);
    if (options.useClass !== undefined) module.providers!.push(options.useClass);
    return module;
  }
}

function compose(
  settings: Provider,
  dispatchers: readonly DispatcherProvider[],
  imports: NonNullable<DynamicModule['imports']>,
): DynamicModule {
  return {
    module: RestflowCacheModule,
    global: true,
    imports: [DiscoveryModule, ...imports],
    providers: [
      settings,
      {
        provide: CACHE_RUNTIME,
        inject: [MODULE_SETTINGS],
        useFactory: ({ runtime }: ModuleSettings) => new CacheRuntime(runtime),
      },
      ModuleWiring,
      {
        provide: CacheService,
        inject: [CACHE_RUNTIME, ModuleWiring],
        useFactory: (runtime: CacheRuntime, wiring: ModuleWiring) =>
          new CacheService(runtime, wiring.directory),
      },
      {
        provide: InvalidationWorker,
        inject: [ModuleWiring],
        useFactory: (wiring: ModuleWiring) => new InvalidationWorker((job) => wiring.handle(job)),
      },
      ...dispatcherProviders(dispatchers),
    ],
    exports: [CacheService, CACHE_RUNTIME, InvalidationWorker],
  };
}

function settingsProvider({
  useFactory,
  useClass,
  useExisting,
  inject = [],
}: RestflowCacheAsyncOptions): Provider {
  if (useFactory !== undefined) {
    const create = useFactory as (...args: unknown[]) => RestflowCacheOptions | Promise<RestflowCacheOptions>;
    return {
      provide: MODULE_SETTINGS,
      inject: [...inject],
      useFactory: async (...args: unknown[]) => normaliseMade(await create(...args)),
    };
  }
  const factory = useClass ?? useExisting;
  if (factory === undefined) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      'RestflowCacheModule.forRootAsync() needs useFactory, useClass or useExisting.',
    );
  }
  return {
    provide: MODULE_SETTINGS,
    inject: [factory],
    useFactory: async (made: RestflowCacheOptionsFactory) =>
      normaliseMade(await made.createRestflowCacheOptions()),
  };
}

/** Checks options that a factory made. */
function normaliseMade(options: RestflowCacheOptions | undefined): ModuleSettings {
  if (options === undefined) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      'RestflowCacheModule.forRootAsync(): the factory returned nothing. Return the options, or {} for the defaults.',
    );
  }
  if (options.dispatchers !== undefined) {
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      'RestflowCacheModule.forRootAsync(): dispatchers are providers, which must be known before the factory runs. ' +
        'Write forRootAsync({ dispatchers: [MyDispatcher], useFactory: … }).',
    );
  }
  return normaliseOptions(options);
}
