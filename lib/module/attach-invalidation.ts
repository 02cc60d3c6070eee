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

import { DataSourceAttacher } from '../typeorm/index.js';
import { releaseStore, takeStore } from '../cache/store-set.js';

const NO_STORE =
  'attachInvalidation() was given no store, so that nothing that an application cached is invalidated. Pass the store of the ' +
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
   * The providers and controllers whose decorated methods' rules are to be carried out. Default none: those that the
   * application told the shared store, see `ready`.
   */
  classes?: readonly Type[] | undefined;
  /** Instances of the classes that their rules have for invalidators. Default none. */
  invalidators?: readonly object[] | undefined;
}

/**
 * What {@link attachInvalidation} returns.
 *
 * @publicApi
 */
export interface AttachedInvalidation {
  /**
   * Resolves when the rules that the application told the shared store are known here, or the store did not answer; never
   * rejects. Rules of `classes` are carried out from the first moment.
   */
  readonly ready: Promise<void>;
  /**
   * Ends it: resolves when what was committed is invalidated, after `replicaLag` once more, so that the script may close its
   * DataSource. Connections that its stores opened are closed, unless an application of this process uses them too.
   */
  detach(): Promise<void>;
}

/**
 * Carries out invalidation rules in a script, migration or seed that runs outside of Nest: what it commits through the
 * DataSource invalidates what the application cached. Use the application's store and namespace; a store in memory is
 * not shared with other processes.
 *
 * @param dataSource a TypeORM DataSource, initialised or not
 * @param options the application's store and namespace, and the classes whose rules are meant
 * @returns `ready`, to be awaited where rules are not given by their classes, and `detach()`, which ends it
 * @throws CacheConfigurationError for rules that cannot work
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
  const { classes = [], invalidators = [], ...rest } = options;
  const settings = normaliseOptions(rest);
  const runtime = new CacheRuntime(settings.runtime);
  if (options.store === undefined && options.stores === undefined) runtime.log.warn('attach store', NO_STORE);
  // Jobs of rules with another dispatcher were bumped at once here, which is what there is to do without its worker.
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

function addRulesOf(owner: Function, rules: RuleRegistry, runtime: CacheRuntime): void {
  for (const definition of cachedMethodsOf(owner)) {
    const isHandler = definition.kind === 'response';
    const shape = isHandler ? handlerShape(owner, definition.methodName, []) : undefined;
    rules.add(runtime.target(definition, owner, shape));
  }
}
