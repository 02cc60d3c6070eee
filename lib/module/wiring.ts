import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleInit,
} from '@nestjs/common';
import type { DiscoveryService, HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { cachedMethodsOf } from '../cache/method-names.js';
import type { MethodDefinition } from '../cache/definition.js';
import { assertEvents } from '../cache/event-invalidations.js';
import { assertInvalidations } from '../cache/invalidating-method.js';
import { MethodDirectory } from '../cache/method-directory.js';
import { releaseStore, takeStore } from '../cache/store-set.js';
import { Deadline } from '../common/async.js';
import { CacheConfigurationError } from '../common/errors.js';
import { type ApplicationConfigLike, applicationConfigOf, modulePaths } from '../common/nest-internals.js';
import { leaveUnwatched } from '../http/inputs/unwatched.js';
import type { HitShortcut } from '../http/answer/hit-shortcut.js';
import type { HttpPlatform } from '../http/platform.interface.js';
import type { ResponseCacheInterceptor } from '../http/response-cache.interceptor.js';
import { notARoute, RouteTable } from '../http/route/route-table.js';
import {
  assertEntities,
  type BoundRule,
  type Dispatcher,
  entitiesOf,
  type InvalidationRule,
  InvalidationService,
  type JobHandler,
  RuleExchange,
  RuleRegistry,
  SchemaRecord,
} from '../invalidation/index.js';
import type { CacheStore } from '../stores/store.interface.js';
import {
  DataSourceAttacher,
  isDataSource,
  type OrmDataSource,
  type ProcessDataSources,
  schemaOf,
} from '../typeorm/index.js';
import { Verifier } from '../verify/verifier.js';
import type { VerifySettings } from '../verify/verify-options.js';
import { adviseOnVersion, assertApplication } from './application.js';
import { adviseOnMethods, adviseOnScope, bootLine } from './boot-report.js';
import {
  bindCacheManager,
  endAll,
  isClassLike,
  ModuleChangeSources,
  providedInvalidators,
} from './found-providers.js';
import { ModuleDispatchers } from './dispatchers.js';
import { EventListeners } from './event-listeners.js';
import {
  createInterceptor,
  createRewarmer,
  createShortcut,
  endIdleConnections,
  installLane,
  installPlatform,
  installPipelines,
  instanceOf,
  instanceProblem,
} from './http-wiring.js';
import { LoadAdvice } from './load-advice.js';
import type { ModuleSettings } from './options.js';

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** Applications that have imported the module: a second `forRoot` would cache every answer twice. */
const wired = new WeakSet<object>();

/** Connects the parts of the cache of one application, in the order of Nest's lifecycle hooks. */
export class ModuleWiring
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly directory: MethodDirectory;
  readonly #dispatchers: ModuleDispatchers;
  readonly #service: InvalidationService;
  readonly #rules: RuleRegistry;
  readonly #rewarmer: ReturnType<typeof createRewarmer>;
  readonly #dataSources: DataSourceAttacher;
  readonly #exchange: RuleExchange;
  readonly #changeSources: ModuleChangeSources;
  readonly #schemas: SchemaRecord;
  readonly #events: EventListeners;
  readonly #config: ApplicationConfigLike;
  /** One for the whole shutdown: parts that wait one after the other would add up. */
  readonly #deadline: Deadline;
  /** The stores that this application uses, each once. They are released at shutdown. */
  readonly #stores: CacheStore[];
  readonly #interceptor: ResponseCacheInterceptor;
  readonly #shortcut: HitShortcut;
  readonly #verifier: Verifier | undefined;
  #platform: HttpPlatform | undefined;
  #advice: readonly string[] = [];
  #routes: RouteTable | undefined;

  constructor(
    private readonly settings: ModuleSettings,
    private readonly runtime: CacheRuntime,
    private readonly discovery: DiscoveryService,
    private readonly moduleRef: ModuleRef,
    private readonly modules: ModulesContainer,
    private readonly adapterHost: HttpAdapterHost,
    private readonly given: readonly Dispatcher[],
    private readonly process: ProcessDataSources,
  ) {
    if (wired.has(modules)) {
      throw new CacheConfigurationError(
        'CACHE_MODULE_TWICE',
        'RestflowCacheModule is imported twice. It is global: import forRoot() once, in the root module.',
      );
    }
    wired.add(modules);
    this.#deadline = new Deadline(settings.shutdownTimeout);
    this.#config = applicationConfigOf(moduleRef);
    this.#dispatchers = new ModuleDispatchers(settings.defaultDispatcher, settings.dispatcherSettings);
    const { registry } = this.#dispatchers;
    this.#rules = new RuleRegistry(
      (options, where) => registry.of(options, where),
      providedInvalidators(moduleRef, discovery),
    );
    this.#rewarmer = createRewarmer(
      runtime,
      moduleRef,
      adapterHost,
      () => this.#routes,
      this.#rules,
      settings.jobSecrets,
    );
    this.#service = new InvalidationService(
      runtime,
      registry,
      settings.raiseException,
      settings.replicaLag,
      this.#rewarmer,
    );
    this.#dataSources = new DataSourceAttacher(
      runtime,
      this.#rules,
      this.#service,
      settings.exactStatements,
      settings.dataSourceId,
    );
    this.#dataSources.unsettle();
    const loadAdvice = new LoadAdvice(runtime, this.#dataSources);
    runtime.advice = () => [...this.#advice, ...loadAdvice.lines()];
    this.#changeSources = new ModuleChangeSources(settings.changeSources, runtime, this.#dataSources);
    this.#schemas = new SchemaRecord(runtime);
    this.#events = new EventListeners(runtime);
    this.#exchange = new RuleExchange(runtime, this.#rules, registry, this.#dataSources);
    this.directory = new MethodDirectory(runtime, {
      resolve: (owner) => instanceOf(moduleRef, owner),
      describe: (target, request) => this.#routes!.describe(target, request),
      tagged: (target, request) => this.#routes!.tagged(target, request),
      rulesOf: (target) => this.#rules.of(target),
      advice: () => runtime.advice(),
    });
    this.#shortcut = createShortcut(discovery, this.#config);
    runtime.returnedBy = ({ rules }) => entitiesOf(rules as readonly InvalidationRule[]);
    leaveUnwatched(settings.unwatched);
    this.#interceptor = createInterceptor(runtime, settings, this.#shortcut);
    // Before all others: an interceptor that wraps ours would run on hits.
    this.#config.getGlobalInterceptors().unshift(this.#interceptor);
    this.#platform ??= installPlatform(this.adapterHost);
    bindCacheManager(runtime.settings.stores, this.discovery, false);
    this.#stores = [...new Set(runtime.settings.stores.values())];
    for (const store of this.#stores) takeStore(store);
    if (settings.verify !== undefined) this.#verifier = this.#createVerifier(settings.verify);
  }

  #createVerifier(settings: VerifySettings): Verifier {
    const { runtime, moduleRef } = this;
    const verifier = new Verifier(runtime, settings, {
      instanceOf: (owner) =>
        instanceProblem(moduleRef, owner) === undefined ? instanceOf(moduleRef, owner) : undefined,
      repeatRequest: this.#interceptor.repeat,
      facts: this.#dataSources,
    });
    runtime.counters.verify = verifier.counters;
    return verifier;
  }

  /** Called by the module's `configure()`, the last hook before Nest registers the routes. */
  beforeRoutes(): void {
    this.#platform ??= installPlatform(this.adapterHost);
    if (this.#platform === undefined) return;
    installPipelines(this.#shortcut, this.adapterHost, this.#interceptor, this.runtime.log);
  }

  async onModuleInit(): Promise<void> {
    this.#platform ??= installPlatform(this.adapterHost);
    const { application, stores, version } = this.runtime.settings;
    bindCacheManager(stores, this.discovery, true);
    assertApplication(stores.values(), application);
    const advice = adviseOnVersion(stores.values(), version);
    if (advice !== undefined) this.runtime.log.warn('version', advice);
    this.#routes = new RouteTable(this.runtime, {
      platform: this.#platform,
      globalPrefix: this.#config.getGlobalPrefix(),
      modulePaths: modulePaths(this.modules),
      versioning: this.#config.getVersioning(),
      setCacheHeaders: this.settings.setCacheHeaders,
      keyLimit: this.settings.keyLimit,
      explain: this.settings.explain,
      inputs: this.settings.inputs,
      isScoped: (controller) =>
        this.discovery
          .getControllers()
          .some((wrapper) => wrapper.metatype === controller && !wrapper.isDependencyTreeStatic()),
      mountsOf: (controller) =>
        this.discovery.getControllers().filter(({ metatype }) => metatype === controller).length,
    });
    this.#interceptor.routes = this.#routes;
    this.attachDataSources();
    this.#dispatchers.add(
      this.given,
      this.discovery.getProviders().map(({ instance }) => instance as unknown),
    );
    // A controller that two modules declare is explored once.
    const mounted = this.discovery.getControllers();
    const controllers = [...new Map(mounted.map((wrapper) => [wrapper.metatype, wrapper])).values()];
    const providers = this.discovery.getProviders();
    for (const wrapper of controllers) this.#explore(wrapper, true);
    for (const wrapper of providers) this.#explore(wrapper, false);
    this.settings.cacheEverything?.explore(controllers, this.runtime, this.#routes);
    for (const { metatype } of [...controllers, ...providers]) {
      if (!isClassLike(metatype)) continue;
      assertInvalidations(this.runtime, metatype);
      assertEvents(this.runtime, metatype);
    }
    this.#events.start([...mounted, ...providers]);
    await Promise.all([...this.runtime.settings.stores.values()].map((store) => store.ready?.()));
    for (const target of this.runtime.targets) this.#rules.add(target);
    await this.#dataSources.settle();
  }

  async onApplicationBootstrap(): Promise<void> {
    this.attachDataSources();
    this.#assertEntities(this.#rules.all());
    this.#advise();
    // A class that is not a provider is found when ModuleRef.create() makes its first instance. Its rules are added then.
    this.runtime.onTargetCreated = (target) => {
      this.#rules.add(target, (rules) => this.#assertEntities(rules));
      this.#advise();
      void this.#exchange.start();
    };
    await this.#exchange.start();
    await this.#dispatchers.start(this.runtime, this.#service, this.#dataSources.all);
    // After the dispatchers: it has jobs.
    await Promise.all(this.#dataSources.all.map((dataSource) => this.#compareSchema(dataSource)));
    await this.#changeSources.start();
    this.#interceptor.lane = installLane(this.runtime, this.adapterHost, this.#shortcut, this.#routes!);
    this.#logBoot();
  }

  #logBoot(): void {
    const { stores } = this.runtime.settings;
    const targets = [...this.runtime.targets];
    this.runtime.log.info(
      bootLine(
        targets,
        this.#rules.all(),
        this.#dataSources.count,
        stores.get('default')!.kind,
        this.runtime.settings,
      ),
    );
  }

  #advise(): void {
    const ofRules =
      this.settings.dataSources === false
        ? []
        : this.#rules.advise(this.#dataSources, (owner) => instanceProblem(this.moduleRef, owner));
    this.#advice = [...adviseOnMethods([...this.runtime.targets]), ...ofRules];
    for (const line of this.#advice) this.runtime.log.warn(line, line);
  }

  #assertEntities(rules: readonly BoundRule[]): void {
    const { dataSources, dataSourceId } = this.settings;
    if (dataSources === false) return;
    // A test may do without the database while the cache is off; a cache that nothing invalidates must not be switched on.
    if (!this.runtime.enabled) {
      this.runtime.beforeEnabled.push(() => this.#assertEntities(rules));
      return;
    }
    const { count } = this.#dataSources;
    if (dataSources === 'auto' && (count === 0 || dataSourceId !== undefined))
      return this.#awaitEntities(rules);
    const where =
      count === 0 ? 'has no TypeORM DataSource to be found in' : `none of the ${count} DataSources knows`;
    assertEntities(rules, (rule) => this.#dataSources.knows(rule), where);
  }

  /** DataSources may come later, e.g. one for each tenant. */
  #awaitEntities(rules: readonly BoundRule[]): void {
    for (const rule of rules) {
      if (this.#dataSources.knows(rule)) continue;
      const line =
        `The rule of ${rule.target.name} on ${rule.entityName} drops nothing yet: no DataSource of this process has the entity. It does ` +
        'as soon as one that has it is initialised.';
      this.runtime.log.warn(line, line);
    }
  }

  /** Drops the entries of a DataSource whose migrations or schema are new, where what they wrote could not be seen. */
  async #compareSchema(dataSource: OrmDataSource): Promise<void> {
    if (!dataSource.isInitialized) return;
    const isNew = await this.#schemas.isNew(schemaOf(dataSource));
    if (isNew && !this.process.sawInitialisation(dataSource)) await this.#dataSources.missedBy(dataSource);
  }

  /** Called for a DataSource that is initialised after the boot. */
  async #initialized(dataSource: OrmDataSource): Promise<void> {
    await this.#dataSources.initialized(dataSource);
    this.#advise();
    await this.#exchange.start();
    this.#exchange.describeAgain();
  }

  /** Runs queued jobs while the DataSources are still open. */
  async beforeApplicationShutdown(): Promise<void> {
    const deadline = this.#deadline;
    this.#verifier?.close();
    this.#interceptor.lane?.stop();
    endIdleConnections(this.adapterHost, deadline);
    await deadline.wait(this.#changeSources.close());
    await deadline.wait(this.#service.drain());
    await this.#dispatchers.close(this.runtime, deadline);
    await deadline.wait(this.#rewarmer.close());
  }

  async onApplicationShutdown(): Promise<void> {
    const deadline = this.#deadline;
    this.#events.stop();
    // Requests that ran during beforeApplicationShutdown() have ended by now: their jobs are drained here.
    await deadline.wait(this.#service.drain());
    await this.#dispatchers.close(this.runtime, deadline);
    await deadline.wait(this.runtime.engine.refreshes.drain());
    await deadline.wait(this.#service.close());
    await deadline.wait(Promise.resolve(this.#exchange.close()));
    this.process.close();
    this.#dataSources.detachAll();
    await deadline.wait(endAll(this.#stores.splice(0), releaseStore, this.runtime.log, 'A store'));
  }

  /** Attaches the DataSources that exist by now. Called again at the end of the boot, for those that Nest makes later. */
  attachDataSources(): void {
    const { dataSources } = this.settings;
    if (dataSources === false) return;
    const provided = this.discovery.getProviders().map(({ instance }) => instance as unknown);
    const found = dataSources === 'auto' ? provided.filter(isDataSource) : dataSources;
    for (const dataSource of found as OrmDataSource[]) {
      this.#attach(dataSource);
      this.process.own(dataSource);
    }
    const met = this.process.start({
      attach: (dataSource) => this.#attach(dataSource),
      initialized: (dataSource) => this.#initialized(dataSource),
      detach: (dataSource) => this.#dataSources.detach(dataSource),
    });
    for (const dataSource of met) this.#attach(dataSource);
  }

  #attach(dataSource: OrmDataSource): void {
    this.#dataSources.attach(dataSource, this.process.earlyChangesOf(dataSource));
  }

  /** Carries out a job that a queue delivered. */
  readonly handle: JobHandler = (job) => this.#service.handle(job);

  #explore(wrapper: Wrapper, isController: boolean): void {
    const owner: unknown = wrapper.metatype;
    if (!isClassLike(owner) || wrapper.inject !== undefined) return;
    for (const definition of cachedMethodsOf(owner)) this.#add(definition, owner, wrapper, isController);
  }

  #add(definition: MethodDefinition, owner: Function, wrapper: Wrapper, isController: boolean): void {
    if (definition.kind === 'response') {
      if (!isController) throw notARoute(definition.where, 'is not a method of a controller');
      return this.#rules.add(this.#routes!.add(definition, owner));
    }
    const target = this.runtime.target(definition, owner);
    const isAnswered =
      definition.shared === true || target.key.hasIdentity || this.settings.inputs.hasKeyContext;
    if (!wrapper.isDependencyTreeStatic() && !isAnswered) {
      target.isScoped = true;
      adviseOnScope(this.runtime.log, target.name);
    }
    this.#rules.add(target);
  }
}
