import { assertSynchronous } from '../common/async.js';
import { CacheConfigurationError } from '../common/errors.js';
import type { Clock } from '../common/time.js';
import type { KeyEnvironment, KeySettings, MethodShape } from '../keys/index.js';
import { type InvalidationCause, publishEvent } from '../observability/events.js';
import { type SpanAttributes, traced } from '../observability/tracing.js';
import { CacheCounters, type ChangeSourceState, type DispatcherState } from '../observability/metrics.js';
import { describeError, type OnceLog } from '../observability/once-log.js';
import {
  BumpQueuedError,
  type CacheStore,
  type InvalidationMode,
  type MaybePromise,
} from '../stores/store.interface.js';
import type { UncoveredLoad } from './cache-report.js';
import type { MethodDefinition } from './definition.js';
import type { Call } from './engine/call.js';

import { CacheEngine } from './engine/engine.js';
import { HitSampler } from './engine/hit-sampler.js';
import { currentLoad, isVerifying } from './engine/load-context.js';
import { attachStores, bumpStores, invalidateEvent } from './store-set.js';
import { type KeyContextFunction, KeyContextReader } from './key-context.js';
import { fingerprintOf, fingerprintOfShape } from './fingerprint.js';
import { KeySpace } from './key-space.js';
import { definitionOf, nameOf, duplicateName } from './method-names.js';
import { MethodTarget } from './method-target.js';
import { TransactionBumps, currentTransaction } from './open-transaction.js';
import { IS_RUNTIME } from './runtime-token.js';
import { assertIsolation, isolateValues } from './values/isolation.js';
import { classesOf, type InstanceClass, KnownClasses } from './values/classes.js';
import type { InvalidationHistory } from './invalidation-history.js';

/**
 * State of an invalidation: every store has it (`delivered`), or a shared store that does not answer will get it (`queued`), and until
 * then this process serves no entry that it covers.
 *
 * @publicApi
 */
export type Delivery = 'delivered' | 'queued';

/** Settings of the runtime, defaults applied. */
export interface RuntimeSettings extends KeySettings {
  readonly namespace: string;
  /** Application that owns the entries; empty if it has no name. */
  readonly application: string;
  readonly version: string | undefined;
  /** Milliseconds. */
  readonly ttl: number;
  readonly enabled: boolean | (() => boolean);
  /** By name; `default` is the one without a name. */
  readonly stores: ReadonlyMap<string, CacheStore>;
  /** Maximum number of loads at one time while the store does not answer. */
  readonly maxLoadsWhenDown: number;
  readonly clock: Clock;
  readonly log: OnceLog;
  /** True if what says nothing of `invalidatesOn` depends on the tables that its loads read. */
  readonly isAuto: boolean;
  /** Ambient values that belong in every key. */
  readonly keyContext: KeyContextFunction | undefined;
}

/** The cache of one application: its engine, its stores and its decorated methods, which get it by injection. */
export class CacheRuntime {
  readonly [IS_RUNTIME] = true;
  readonly engine: CacheEngine;
  readonly counters: CacheCounters;
  /** States of the dispatchers that report one; set by the dispatcher registry. */
  dispatcherStates: () => Readonly<Record<string, DispatcherState>> = () => ({});
  /** Lines about the configuration and what loads have read; set by the module. */
  advice: () => readonly string[] = () => [];
  /** Tables that loads have read and no rule covers; set by the module. */
  uncoveredLoads: () => readonly UncoveredLoad[] = () => [];
  /** States of the change sources that report one; set by the module. */
  changeSourceStates: () => readonly ChangeSourceState[] = () => [];
  /** Only if explanations are on. */
  invalidationHistory: InvalidationHistory | undefined;
  readonly space: KeySpace;
  readonly keyContext: KeyContextReader | undefined;
  /** Classes whose instances may be stored; data sources add their entities. */
  readonly classes = new KnownClasses();
  /** Describes an entity's table for `EntityKeyField`; set by the data sources. */
  describeEntity: KeyEnvironment['describeEntity'];
  /** Entities that a method may return, according to its rules; set by the module. */
  returnedBy: ((definition: MethodDefinition) => readonly (Function | string)[]) | undefined;
  /** Called with each new target, to bind its rules. A target for which it throws is not used. */
  onTargetCreated: ((target: MethodTarget) => void) | undefined;
  /** Called when there may be entries that depend on the tables which their loads read. */
  onAuto: (() => void) | undefined;
  /** Checks of a boot with the cache off, to be made before it is switched on. */
  readonly beforeEnabled: (() => void)[] = [];
  #enabled: boolean | (() => boolean);
  readonly #targets = new Map<MethodDefinition, Map<Function, MethodTarget | Error>>();
  readonly #names = new Map<string, MethodTarget>();
  readonly #shapes = new WeakMap<InstanceClass, string>();
  readonly #atEnd: TransactionBumps;

  constructor(readonly settings: RuntimeSettings) {
    const { clock, log, maxLoadsWhenDown } = settings;
    this.engine = new CacheEngine(clock, log, maxLoadsWhenDown, () => this.enabled);
    this.space = new KeySpace(settings.namespace, settings.application, settings.version);
    this.keyContext = settings.keyContext && new KeyContextReader(settings.keyContext);
    this.engine.loads.trustsContexts = this.keyContext !== undefined;
    this.counters = new CacheCounters(settings.namespace);
    this.#atEnd = new TransactionBumps(clock, log, this.space.allTag, (tags, mode) =>
      this.#invalidate(tags, mode, 'manual'),
    );
    this.#enabled = settings.enabled;
    attachStores(settings, this.space);
  }

  get log(): OnceLog {
    return this.settings.log;
  }

  get enabled(): boolean {
    if (typeof this.#enabled === 'boolean') return this.#enabled;
    try {
      return Boolean(assertSynchronous(this.#enabled()));
    } catch (error) {
      this.log.error(
        'enabled',
        'The function of the option enabled failed, so the cache is off for this call',
        error,
      );
      return false;
    }
  }

  set enabled(enabled: boolean) {
    if (enabled && this.beforeEnabled.length > 0) this.#assertEnabled();
    this.#enabled = enabled;
  }

  #assertEnabled(): void {
    const before = this.#enabled;
    this.#enabled = true;
    try {
      for (const assert of this.beforeEnabled) assert();
      this.beforeEnabled.length = 0;
    } catch (error) {
      this.#enabled = before;
      throw error;
    }
  }

  /** True if a call may read and store now: the cache is on, and the caller is not inside an open transaction. */
  mayUse(): boolean {
    if (isVerifying()) return false;
    if (currentTransaction() !== undefined)
      this.refuseCurrentLoad('a cached call in it was made inside an open transaction');
    else if (this.enabled) return true;
    else this.refuseCurrentLoad('the cache was off meanwhile');
    return false;
  }

  /**
   * Allows instances of a class to be stored. Their stored name holds the shape of the class, so that a build with another shape misses.
   * @param table description of the entity's table, where the caller has it
   */
  know(type: InstanceClass, classes = this.classes, table?: unknown): void {
    let shape = table === undefined ? this.#shapes.get(type) : undefined;
    if (shape === undefined) {
      shape = fingerprintOfShape(type, table ?? this.describeEntity?.(type));
      this.#shapes.set(type, shape);
    }
    classes.add(type, shape);
  }

  /** All targets so far: after boot, every decorated method of every provider and controller. */
  get targets(): IterableIterator<MethodTarget> {
    return this.#names.values();
  }

  /** Answers a call of a decorated method. */
  invoke(definition: MethodDefinition, self: object, args: readonly unknown[]): MaybePromise<unknown> {
    let target: MethodTarget;
    try {
      target = this.target(definition, self.constructor);
    } catch (error) {
      return this.#callUncached(definition, self, args, error);
    }
    return this.answer(this.call(target, self, args));
  }

  /** A call of a cached method. If its arguments have no key, it bypasses the cache. */
  call(target: MethodTarget, self: object, args: readonly unknown[]): Call {
    try {
      return target.call(self, args);
    } catch (error) {
      const line = `A call of ${target.name} was not cached: ${unkeyedReason(error)}`;
      target.counters.refusals.count('unkeyed', line);
      this.log.warn(`unkeyed ${target.name}`, line);
      return target.callWithoutKey(self, args);
    }
  }

  /** The value of a call, from the cache or loaded. */
  answer(call: Call): MaybePromise<unknown> {
    const { isScoped } = call.target as MethodTarget;
    if (call.isKeyed && !isScoped && this.mayUse()) return this.engine.fetch(call);
    if (isVerifying()) return call.target.load(call);
    if (call.isKeyed) call.target.counters.refusals.count(isScoped ? 'scoped' : this.#whyUnused());
    return this.engine.bypass(call);
  }

  /** Why {@link mayUse} says no. */
  #whyUnused(): 'transaction' | 'disabled' {
    return currentTransaction() === undefined ? 'disabled' : 'transaction';
  }

  /** Calls a method whose target cannot be made. The boot did not see the class, since `ModuleRef.create` made the instance. */
  #callUncached(
    definition: MethodDefinition,
    self: object,
    args: readonly unknown[],
    error: unknown,
  ): Promise<unknown> {
    this.log.error(`untargeted ${definition.where}`, `${definition.where} is not cached`, error);
    currentLoad()?.refuse(`${definition.where} inside it cannot be cached`, true);
    return definition.original.apply(self, args as never[]);
  }

  /** The target of a method of a class, decorated or cached by `cacheEverything`; `undefined` if it is not cached. */
  find(owner: Function, method: PropertyKey): MethodTarget | undefined {
    const declared = definitionOf(owner, method);
    for (const target of this.targets) {
      const { definition } = target;
      const isBare = definition.methodKey === method && definition.declaredIn === owner;
      if (target.owner === owner && (declared === undefined ? isBare : definition === declared))
        return target;
    }
    return undefined;
  }

  /** The target of a decorated method on a concrete class, made at the first call. */
  target(definition: MethodDefinition, owner: Function, shape?: Partial<MethodShape>): MethodTarget {
    let owners = this.#targets.get(definition);
    if (owners === undefined)
      this.#targets.set(definition, (owners = new Map<Function, MethodTarget | Error>()));
    let target = owners.get(owner);
    if (target === undefined) owners.set(owner, (target = this.#tryCreate(definition, owner, shape)));
    if (target instanceof Error) throw target;
    return target;
  }

  /** The error is kept, so that it is not raised again by every call. */
  #tryCreate(...what: Parameters<CacheRuntime['target']>): MethodTarget | Error {
    try {
      return this.#create(...what);
    } catch (error) {
      return error as Error;
    }
  }

  #create(definition: MethodDefinition, owner: Function, shape?: Partial<MethodShape>): MethodTarget {
    const name = nameOf(definition, owner);
    const twin = this.#names.get(name);
    if (twin !== undefined) throw duplicateName(name, twin, owner, definition);
    for (const hint of definition.hints) this.log.warn(hint, hint);
    const store = this.store(definition.store, name);
    assertIsolation(definition.isolation, store.keepsReferences, name);
    const classes = new KnownClasses(this.classes);
    const declared = definition.type === undefined ? [] : classesOf(definition.type, name);
    for (const one of declared) this.know(one, classes);
    const keySettings = { ...this.settings, isContextMember: this.keyContext?.isMember };
    const key = definition.plan(shape).compile(keySettings, { describeEntity: this.describeEntity });
    const policy = { ...definition.policy, ttl: definition.policy.ttl ?? this.settings.ttl };
    const values =
      definition.values ?? isolateValues(definition.isolation, classes, definition.maxValueBytes);
    const { space, keyContext, describeEntity } = this;
    const returned = [...(this.returnedBy?.(definition) ?? []), ...declared];
    const fingerprint = fingerprintOf(definition, owner, { classes: returned, describeEntity });
    const target = new MethodTarget(
      definition,
      owner,
      name,
      key,
      store,
      policy,
      values,
      space,
      keyContext,
      fingerprint,
      definition.isAuto ?? (this.settings.isAuto && definition.rules.length === 0),
    );
    if (target.isAuto) this.onAuto?.();
    this.onTargetCreated?.(target);
    this.#names.set(name, target);
    return target;
  }

  /** @throws CacheConfigurationError for a name that `forRoot({ stores })` does not list */
  store(name: string | undefined, where: string): CacheStore {
    const store = this.settings.stores.get(name ?? 'default');
    if (store !== undefined) return store;
    const known = [...this.settings.stores.keys()].filter((one) => one !== 'default');
    throw new CacheConfigurationError(
      'CACHE_STORE',
      `${where} uses the store '${String(name)}', which RestflowCacheModule does not know. Add it with ` +
        `forRoot({ stores: { ${String(name)}: memoryStore() } })${known.length > 0 ? `, or write one of ${known.join(', ')}` : ''}.`,
    );
  }

  /**
   * Writes new generations for tags in every store. After it has returned (or its promise resolved), no earlier value is served as
   * fresh.
   */
  bump(
    tags: readonly string[],
    mode: InvalidationMode,
    cause: InvalidationCause = 'manual',
  ): MaybePromise<void> {
    const { invalidation } = this.counters;
    invalidation.bumps++;
    invalidation.tags += tags.length;
    publishEvent('invalidate', () => invalidateEvent(this.space, tags, mode, cause));
    this.engine.localStamps.countBump();
    this.engine.pauses.bumped(tags);
    const bumped = traced(
      'cache.invalidate',
      invalidationAttributes(this.space.namespace, tags, mode, cause),
      () => bumpStores(this.settings.stores, tags, mode),
    );
    return bumped?.catch((error: unknown) => {
      invalidation.failures++;
      throw error;
    });
  }

  /** Invalidates tags by hand: a bump that waits for its store does not fail the caller. */
  async invalidate(
    tags: readonly string[],
    mode: InvalidationMode,
    cause: InvalidationCause = 'manual',
  ): Promise<Delivery> {
    this.#atEnd.add(tags, mode);
    return this.#invalidate(tags, mode, cause);
  }

  async #invalidate(
    tags: readonly string[],
    mode: InvalidationMode,
    cause: InvalidationCause,
  ): Promise<Delivery> {
    this.invalidationHistory?.note(tags, 'by hand');
    try {
      await this.bump(tags, mode, cause);
      return 'delivered';
    } catch (error) {
      if (error instanceof BumpQueuedError) return 'queued';
      throw error;
    }
  }

  /** Measures one hit in `every` from now on; the most frequent sampling that was asked for counts. */
  sampleHits(every: number): void {
    const { reader } = this.engine;
    if (reader.sampler === undefined || every < reader.sampler.every) reader.sampler = new HitSampler(every);
  }

  /** Forbids storing the value of the load that the caller runs in, if any. */
  refuseCurrentLoad(reason: string): void {
    currentLoad()?.refuse(reason);
  }
}

function invalidationAttributes(
  namespace: string,
  tags: readonly string[],
  mode: InvalidationMode,
  cause: InvalidationCause,
): SpanAttributes {
  return {
    'cache.namespace': namespace,
    'cache.invalidation.mode': mode,
    'cache.invalidation.cause': cause,
    'cache.invalidation.tags': tags.length,
  };
}

function unkeyedReason(error: unknown): string {
  return error instanceof Error && 'code' in error ? error.message : describeError(error);
}
