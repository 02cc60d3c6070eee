import {
  Inject,
  Module,
  type DynamicModule,
  type NestModule,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import {
  DiscoveryModule,
  DiscoveryService,
  HttpAdapterHost,
  ModuleRef,
  ModulesContainer,
} from '@nestjs/core';
import { CacheRuntime } from '../cache/cache-runtime.js';
import { CacheService } from '../cache/cache.service.js';
import { CacheHealthIndicator } from './cache-health.indicator.js';
import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, isClassOrFunction, isFunction, isList, type OptionTable } from '../common/options.js';
import { CACHE_RUNTIME } from '../cache/runtime-token.js';
import {
  type DispatcherProvider,
  dispatcherProviders,
  MODULE_DATA_SOURCES,
  MODULE_DISPATCHERS,
  MODULE_SETTINGS,
  MODULE_WIRING,
} from './dispatchers.js';
import { InvalidationWorker } from '../invalidation/index.js';
import {
  normaliseOptions,
  type ModuleSettings,
  type RestflowCacheAsyncOptions,
  type RestflowCacheOptions,
  type RestflowCacheOptionsFactory,
} from './options.js';
import type { ModuleWiring } from './wiring.js';
import { SILENT_LOGGER, OnceLog } from '../observability/once-log.js';
import { memoryStore } from '../stores/index.js';
import { ProcessDataSources } from '../typeorm/process-data-sources.js';

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
export class RestflowCacheModule implements NestModule, OnModuleInit {
  constructor(@Inject(ModuleRef) private readonly moduleRef: ModuleRef) {}

  /** Called by Nest. */
  configure(): void {
    this.#wiring()?.beforeRoutes();
  }

  /** Called by Nest. @throws CacheConfigurationError if the application imports the class without `forRoot()` */
  onModuleInit(): void {
    this.#wiring();
  }

  /** `undefined` if this module was imported without `forRoot()`, and another module with it. */
  #wiring(): ModuleWiring | undefined {
    const [own, any] = [true, false].map((strict) => {
      try {
        return this.moduleRef.get<ModuleWiring>(MODULE_WIRING, { strict });
      } catch {
        return undefined;
      }
    });
    if (any !== undefined) return own;
    throw new CacheConfigurationError(
      'CACHE_MODULE',
      'RestflowCacheModule is imported without forRoot(). Write imports: [RestflowCacheModule.forRoot()] in the root module.',
    );
  }

  /**
   * Configures the cache. Import the result once, in the root module.
   *
   * @param options see {@link RestflowCacheOptions}; all are optional
   * @throws CacheConfigurationError or TypeError for invalid options
   */
  static forRoot(options: RestflowCacheOptions = {}): DynamicModule {
    // Invalid options throw here, with the caller in the stack trace. Hints are logged later, when the application has a logger. The
    // default store of this check is thrown away, so it is a small one: a memory store reserves its space when it is made.
    normaliseOptions(options, new OnceLog(SILENT_LOGGER), () => memoryStore({ maxEntries: 1 }));
    return compose(
      { provide: MODULE_SETTINGS, useFactory: () => normaliseOptions(options) },
      new ProcessDataSources(options.dataSources),
      options.dispatchers ?? [],
      [],
    );
  }

  /**
   * Configures the cache with options that other providers make: `useFactory`, `useClass` or `useExisting`.
   *
   * @throws CacheConfigurationError unless exactly one of them is given; invalid options throw at boot
   * @example
   * RestflowCacheModule.forRootAsync({
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ store: redisStore({ url: config.getOrThrow('REDIS_URL') }) }),
   * })
   */
  static forRootAsync(options: RestflowCacheAsyncOptions): DynamicModule {
    checkOptions(ASYNC_OPTIONS, options, 'RestflowCacheModule.forRootAsync()');
    const { imports = [], dispatchers = [] } = options;
    const module = compose(settingsProvider(options), new ProcessDataSources(), dispatchers, imports);
    if (options.useClass !== undefined) module.providers!.push(options.useClass);
    return module;
  }
}

/** Loads the wiring and all that it imports when an application boots, so that importing decorators stays fast. */
const wiringProvider: Provider = {
  provide: MODULE_WIRING,
  inject: [
    MODULE_SETTINGS,
    CACHE_RUNTIME,
    DiscoveryService,
    ModuleRef,
    ModulesContainer,
    HttpAdapterHost,
    MODULE_DISPATCHERS,
    MODULE_DATA_SOURCES,
  ],
  useFactory: async (...injected: ConstructorParameters<typeof ModuleWiring>) => {
    const wiring = await import('./wiring.js');
    return new wiring.ModuleWiring(...injected);
  },
};

function compose(
  settings: Provider,
  dataSources: ProcessDataSources,
  dispatchers: readonly DispatcherProvider[],
  imports: NonNullable<DynamicModule['imports']>,
): DynamicModule {
  return {
    module: RestflowCacheModule,
    global: true,
    imports: [DiscoveryModule, ...imports],
    providers: [
      settings,
      { provide: MODULE_DATA_SOURCES, useFactory: () => dataSources.take() },
      {
        provide: CACHE_RUNTIME,
        inject: [MODULE_SETTINGS],
        useFactory: ({ runtime }: ModuleSettings) => new CacheRuntime(runtime),
      },
      wiringProvider,
      {
        provide: CacheService,
        inject: [CACHE_RUNTIME, MODULE_WIRING],
        useFactory: (runtime: CacheRuntime, wiring: ModuleWiring) =>
          new CacheService(runtime, wiring.directory),
      },
      {
        provide: InvalidationWorker,
        inject: [MODULE_WIRING],
        useFactory: (wiring: ModuleWiring) => new InvalidationWorker((job) => wiring.handle(job)),
      },
      CacheHealthIndicator,
      ...dispatcherProviders(dispatchers),
    ],
    exports: [CacheHealthIndicator, CacheService, CACHE_RUNTIME, InvalidationWorker],
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
  const factory = (useClass ?? useExisting)!;
  return {
    provide: MODULE_SETTINGS,
    inject: [factory],
    useFactory: async (made: Partial<RestflowCacheOptionsFactory>) => {
      if (typeof made?.createRestflowCacheOptions === 'function')
        return normaliseMade(await made.createRestflowCacheOptions());
      throw new CacheConfigurationError(
        'CACHE_OPTION',
        `RestflowCacheModule.forRootAsync(): ${factory.name} has no method createRestflowCacheOptions. Write ` +
          `class ${factory.name} implements RestflowCacheOptionsFactory.`,
      );
    },
  };
}

const ASYNC_OPTIONS: OptionTable<RestflowCacheAsyncOptions> = {
  rows: {
    imports: [isList, 'a list of modules'],
    inject: [isList, 'a list of providers, the arguments of useFactory: [ConfigService]'],
    useFactory: [isFunction, 'a function that returns the options: (config) => ({ … })'],
    useClass: [isClassOrFunction, 'a class that implements RestflowCacheOptionsFactory'],
    useExisting: [isClassOrFunction, 'a class that implements RestflowCacheOptionsFactory, of a provider'],
    dispatchers: [isList, 'a list of dispatchers'],
  },
  example: `an object: { inject: [ConfigService], useFactory: (config) => ({ … }) }`,
  exclusive: [{ names: ['useFactory', 'useClass', 'useExisting'], isRequired: true }],
};

/** Checks the options that a factory returned. */
function normaliseMade(options: RestflowCacheOptions | null | undefined): ModuleSettings {
  if (options === undefined || options === null) {
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
