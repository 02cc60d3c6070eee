import { assertSynchronous } from '../common/async.js';
import { CacheConfigurationError } from '../common/errors.js';
import type { Clock } from '../common/time.js';
import type { KeyEnvironment, KeySettings, MethodShape } from '../keys/index.js';
import { type InvalidationCause, publishEvent } from '../observability/events.js';
import { CacheCounters, type DispatcherState } from '../observability/metrics.js';
import { describeError, type OnceLog } from '../observability/once-log.js';
import {
  BumpQueuedError,
  type CacheStore,
  type InvalidationMode,
  type MaybePromise,
} from '../stores/store.interface.js';
import type { MethodDefinition } from './definition.js';
import type { Call } from './engine/call.js';

import { CacheEngine } from './engine/engine.js';
import { currentLoad } from './engine/load-context.js';
import { attachStores, bumpStores, invalidateEvent } from './store-set.js';
import { type KeyContextFunction, KeyContextReader } from './key-context.js';
import { KeySpace } from './key-space.js';
import { definitionOf, nameOf, duplicateName } from './method-names.js';
import { MethodTarget } from './method-target.js';
import { TransactionBumps, currentTransaction } from './open-transaction.js';
import { assertIsolation, isolateValues } from './values/isolation.js';
import { classesOf, KnownClasses } from './values/classes.js';
import type { InvalidationHistory } from './invalidation-history.js';

/**
 * What became of an invalidation: every store has it (`delivered`), or a shared store that does not answer will get it
 * (`queued`), while this process serves nothing that it covers.
 *
 * @publicApi
 */
export type Delivery = 'delivered' | 'queued';

/** What the runtime of one application is made of; every option decided. */
export interface RuntimeSettings extends KeySettings {
  readonly namespace: string;
  readonly version: string | undefined;
  /** Milliseconds. */
  readonly ttl: number;
  readonly enabled: boolean | (() => boolean);
  /** By name; the unnamed one is `default`. */
  readonly stores: ReadonlyMap<string, CacheStore>;
  /** Loads that may run at one time while the store does not answer. */
  readonly maxLoadsWhenDown: number;
  readonly clock: Clock;
  readonly log: OnceLog;
  /** Ambient values that belong in every key. */
  readonly keyContext: KeyContextFunction | undefined;
}

/** The cache of one application: its engine, its stores, its decorated methods. Decorated methods find it by injection. */
export class CacheRuntime {
  readonly engine: CacheEngine;
  readonly counters: CacheCounters;
  /** How dispatchers are, of those that tell; set by whoever has them. */
  dispatcherStates: () => Readonly<Record<string, DispatcherState>> = () => ({});
  /** What dropped what; only where somebody may ask. */
  invalidationHistory: InvalidationHistory | undefined;
  readonly space: KeySpace;
  readonly keyContext: KeyContextReader | undefined;
  /** Classes whose instances may be stored; the data sources add their entities. */
  readonly classes = new KnownClasses();
  /** Describes an entity's table for `EntityKeyField`; set by whoever knows the data sources. */
  describeEntity: KeyEnvironment['describeEntity'];
  /** Called with each target that is made; set by whoever binds its rules. What it throws keeps the target from being used. */
  onTargetCreated: ((target: MethodTarget) => void) | undefined;
  #enabled: boolean | (() => boolean);
  readonly #targets = new Map<MethodDefinition, Map<Function, MethodTarget | Error>>();
  readonly #names = new Map<string, MethodTarget>();
  readonly #atEnd: TransactionBumps;

  constructor(readonly settings: RuntimeSettings) {
    const { clock, log, maxLoadsWhenDown } = settings;
    this.engine = new CacheEngine(clock, log, maxLoadsWhenDown, () => this.enabled);
    this.space = new KeySpace(settings.namespace, settings.version);
    this.keyContext = settings.keyContext && new KeyContextReader(settings.keyContext);
    this.counters = new CacheCounters(settings.namespace);
    this.#atEnd = new TransactionBumps(clock, log, this.space.allTag, (tags, mode) =>
      this.invalidate(tags, mode),
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
      this.log.error('enabled', 'The function given as enabled failed, the cache is not used', error);
      return false;
    }
  }

  set enabled(enabled: boolean) {
    this.#enabled = enabled;
  }

  /** Whether a call made now may read and store: not in a context that is known to be inside an open transaction. */
  mayUse(): boolean {
    if (currentTransaction() !== undefined)
      this.refuseCurrentLoad('a cached call in it was made inside an open transaction');
    else if (this.enabled) return true;
    else this.refuseCurrentLoad('the cache was off meanwhile');
    return false;
  }

  /** Every target made so far: after boot, every decorated method of every provider and controller. */
  get targets(): IterableIterator<MethodTarget> {
    return this.#names.values();
  }

  /** Answers a call of a decorated method. */
  invoke(definition: MethodDefinition, self: object, args: readonly unknown[]): MaybePromise<unknown> {
    let target: MethodTarget;
    try {
      target = this.target(definition, self.constructor);
    } catch (error) {
      return this.#untargeted(definition, self, args, error);
    }
    return this.answer(this.call(target, self, args));
  }

  /** A call of a cached method; where its arguments make no key, one that can only bypass the cache. */
  call(target: MethodTarget, self: object, args: readonly unknown[]): Call {
    try {
      return target.call(self, args);
    } catch (error) {
      this.log.warn(
        `unkeyed ${target.name}`,
        `A call of ${target.name} was not cached: ${unkeyedReason(error)}`,
      );
      return target.callWithoutKey(self, args);
    }
  }

  /** The value of a call: from the cache, or computed. */
  answer(call: Call): MaybePromise<unknown> {
    return call.isKeyed && this.mayUse() ? this.engine.fetch(call) : this.engine.bypass(call);
  }

  /** A class that cannot be cached was met only now (Nest made the instance by `ModuleRef.create`): its calls still work. */
  #untargeted(
    definition: MethodDefinition,
    self: object,
    args: readonly unknown[],
    error: unknown,
  ): Promise<unknown> {
    this.log.error(`untargeted ${definition.where}`, `${definition.where} is not cached`, error);
    currentLoad()?.refuse(`${definition.where} inside it cannot be cached`, true);
    return definition.original.apply(self, args as never[]);
  }

  /** The target of a method of a class of this application, decorated or not; `undefined` where it is not cached. */
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

  /** The target of a decorated method on a concrete class; made when it is first asked for. */
  target(definition: MethodDefinition, owner: Function, shape?: Partial<MethodShape>): MethodTarget {
    let owners = this.#targets.get(definition);
    if (owners === undefined)
      this.#targets.set(definition, (owners = new Map<Function, MethodTarget | Error>()));
    let target = owners.get(owner);
    if (target === undefined) owners.set(owner, (target = this.#tryCreate(definition, owner, shape)));
    if (target instanceof Error) throw target;
    return target;
  }

  /** What cannot work is not tried again with every call. */
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
    if (definition.type !== undefined) classesOf(definition.type, name).forEach((one) => classes.add(one));
    const keySettings = { ...this.settings, isContextMember: this.keyContext?.isMember };
    const key = definition.plan(shape).compile(keySettings, { describeEntity: this.describeEntity });
    const policy = { ...definition.policy, ttl: definition.policy.ttl ?? this.settings.ttl };
    const values = definition.values ?? isolateValues(definition.isolation, classes);
    const { space, keyContext } = this;
    const target = new MethodTarget(definition, owner, name, key, store, policy, values, space, keyContext);
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
   * Writes new generations for tags in every store. When it has returned (or its promise resolved), nothing that was
   * loaded before is served as fresh.
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
    return bumpStores(this.settings.stores, tags, mode)?.catch((error: unknown) => {
      invalidation.failures++;
      throw error;
    });
  }

  /** The same, by hand: what a store did not get yet does not fail whoever asked for it. */
  async invalidate(
    tags: readonly string[],
    mode: InvalidationMode,
    cause: InvalidationCause = 'manual',
  ): Promise<Delivery> {
    this.#atEnd.add(tags, mode);
    this.invalidationHistory?.note(tags, 'by hand');
    try {
      await this.bump(tags, mode, cause);
      return 'delivered';
    } catch (error) {
      if (error instanceof BumpQueuedError) return 'queued';
      throw error;
    }
  }

  /** Forbids storing the load that the caller runs in, if any. */
  refuseCurrentLoad(reason: string): void {
    currentLoad()?.refuse(reason);
  }
}

function unkeyedReason(error: unknown): string {
  return error instanceof Error && 'code' in error ? error.message : describeError(error);
}
