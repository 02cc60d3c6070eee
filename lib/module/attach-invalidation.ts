import type { Type } from '@nestjs/common';
import { cachedMethodsOf } from '../cache/method-names.js';
import { CacheRuntime } from '../cache/cache-runtime.js';
import { InlineDispatcher } from '../dispatchers/index.js';
import { handlerShape } from '../http/route/handler-shape.js';
import {
  assertEntities,
  DispatcherRegistry,
  INLINE,
  InvalidationService,
  Rewarmer,
  invalidatorsAmong,
  RuleExchange,
  RuleRegistry,
} from '../invalidation/index.js';
import { endAll } from './found-providers.js';
import { normaliseOptions, type RestflowCacheOptions } from './options.js';

import {
  DataSourceAttacher,
  isDataSource,
  type ProcessDataSources,
  runningApplications,
} from '../typeorm/index.js';
import { releaseStore, takeStore } from '../cache/store-set.js';

const NO_STORE =
  'attachInvalidation() was called without a store, so it invalidates no entries of the application. Pass the store of the ' +
  'application: attachInvalidation(dataSource, { store, namespace }).';

/**
 * Options of {@link attachInvalidation}.
 *
 * @publicApi
 */
export interface AttachInvalidationOptions extends Pick<
  RestflowCacheOptions,
  'store' | 'stores' | 'namespace' | 'keyHashAlgorithm' | 'raiseException' | 'exactStatements' | 'replicaLag'
> {
  /**
   * Providers and controllers whose rules are carried out. Default none: the rules that the application published in the shared
   * store, see `ready`.
   */
  classes?: readonly Type[] | undefined;
  /** Instances of the invalidator classes of their rules. Default none. */
  invalidators?: readonly object[] | undefined;
}

/**
 * The result of {@link attachInvalidation}.
 *
 * @publicApi
 */
export interface AttachedInvalidation {
  /**
   * Resolves when the rules that the application published in the shared store are read, or the store is unavailable. Never
   * rejects. Rules of `classes` are carried out at once.
   */
  readonly ready: Promise<void>;
  /**
   * Detaches from the DataSource. Resolves when committed changes are invalidated, including the second time after `replicaLag`;
   * then the script may close its DataSource. Closes connections of its stores that no application of this process uses.
   */
  detach(): Promise<void>;
}

/**
 * Carries out invalidation rules in a script, migration or seed outside of Nest: its commits through the DataSource invalidate
 * entries of the application. Use the application's store and namespace; a memory store is not shared with other processes. In the
 * process of an application, leave out the store: the application's own store and rules are used.
 *
 * @param dataSource a TypeORM DataSource, initialised or not
 * @param options the application's store and namespace, and the classes with rules
 * @returns `ready`, to await before the first write unless all rules come from `classes`, and `detach()`
 * @throws CacheConfigurationError for invalid rules
 * @example
 * const invalidation = attachInvalidation(dataSource, { store, namespace: 'shop', classes: [ArticlesController] });
 * await dataSource.getRepository(Article).update({}, { archived: true });
 * await invalidation.detach();
 *
 * @publicApi
 */
export function attachInvalidation(
  dataSource: object,
  options: AttachInvalidationOptions = {},
): AttachedInvalidation {
  const running = options.store === undefined && options.stores === undefined ? runningApplications() : [];
  if (running.length > 0) return attachToApplications(dataSource, running);
  const { classes = [], invalidators = [], ...rest } = options;
  const settings = normaliseOptions(rest);
  const runtime = new CacheRuntime(settings.runtime);
  if (options.store === undefined && options.stores === undefined) runtime.log.warn('attach store', NO_STORE);
  // Every dispatcher is replaced by `inline`: a script has no workers.
  const dispatchers = new DispatcherRegistry(INLINE, {}, () => INLINE);
  dispatchers.add(INLINE, new InlineDispatcher());
  const rules = new RuleRegistry(() => INLINE, invalidatorsAmong(invalidators));
  const { clock, log } = settings.runtime;
  const rewarmer = new Rewarmer(clock, log, async () => 'outside of Nest there is no instance to call');
  const service = new InvalidationService(
    runtime,
    dispatchers,
    settings.raiseException,
    settings.replicaLag,
    rewarmer,
  );
  const attacher = new DataSourceAttacher(runtime, rules, service, settings.exactStatements);
  attacher.attach(dataSource);
  try {
    for (const owner of classes) addRulesOf(owner, rules, runtime);
    assertEntities(
      rules.all(),
      (rule) => attacher.knows(rule),
      'the DataSource given to attachInvalidation() does not know',
    );
  } catch (error) {
    attacher.detachAll();
    throw error;
  }
  const exchange = new RuleExchange(runtime, rules, dispatchers, attacher, false);
  const stores = [...new Set(runtime.settings.stores.values())];
  for (const store of stores) takeStore(store);
  const ready = Promise.all(stores.map((store) => store.ready?.())).then(() => exchange.start());
  return {
    ready,
    async detach() {
      attacher.detachAll();
      await service.drain();
      await service.close();
      await exchange.close();
      await endAll(stores.splice(0), releaseStore, log, 'A store');
    },
  };
}

/** The applications of this process watch the DataSource too, with their own stores and rules. */
function attachToApplications(
  dataSource: object,
  applications: readonly ProcessDataSources[],
): AttachedInvalidation {
  if (!isDataSource(dataSource))
    throw new TypeError(
      'attachInvalidation() expects a TypeORM DataSource. Pass the instance, e.g. app.get(DataSource).',
    );
  for (const application of applications) application.attach(dataSource);
  return {
    ready: Promise.resolve(),
    detach: async () => applications.forEach((application) => application.detach(dataSource)),
  };
}

function addRulesOf(owner: Function, rules: RuleRegistry, runtime: CacheRuntime): void {
  for (const definition of cachedMethodsOf(owner)) {
    const isHandler = definition.kind === 'response';
    const shape = isHandler ? handlerShape(owner, definition.methodName, []) : undefined;
    rules.add(runtime.target(definition, owner, shape));
  }
}
