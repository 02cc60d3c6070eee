import type { KeyEnvironment, KeySettings, MethodShape } from '../keys/index.js';
import type { CacheStore, InvalidationMode, MaybePromise } from '../stores/store.interface.js';
import type { Clock } from './clock.js';
import type { Call } from './call.js';
import { CacheEngine } from './engine.js';
import type { MethodDefinition } from './definition.js';
import { CacheConfigurationError } from './errors.js';
import { KeySpace } from './key-space.js';
import { currentLoad } from './load-context.js';
import { MethodTarget } from './method-target.js';
import { assertIsolation, isolateValues } from './values/isolation.js';
import { classesOf, KnownClasses } from './values/known-classes.js';
import { describeError, type OnceLog } from '../observability/once-log.js';

/** What the runtime of one application is made of; every option decided. */
export interface RuntimeSettings extends KeySettings {
  readonly namespace: string;
  readonly version: string | undefined;
  /** Milliseconds. */
  readonly ttl: number;
  readonly enabled: boolean | (() => boolean);
  /** By name; the unnamed one is `default`. */
  readonly stores: ReadonlyMap<string, CacheStore>;
  readonly clock: Clock;
  readonly log: OnceLog;
}

/** The cache of one application: its engine, its stores, its decorated methods. Decorated methods find it by injection. */
export class CacheRuntime {
  readonly engine: CacheEngine;
  readonly space: KeySpace;
  /** Classes whose instances may be stored; the data sources add their entities. */
  readonly classes = new KnownClasses();
  /** Describes an entity's table for `EntityKeyField`; set by whoever knows the data sources. */
  describeEntity: KeyEnvironment['describeEntity'];
  #enabled: boolean | (() => boolean);
  readonly #targets = new Map<MethodDefinition, Map<Function, MethodTarget>>();
  readonly #names = new Map<string, MethodTarget>();

  constructor(readonly settings: RuntimeSettings) {
    this.engine = new CacheEngine(settings.clock, settings.log);
    this.space = new KeySpace(settings.namespace, settings.version);
    this.#enabled = settings.enabled;
  }

  get log(): OnceLog {
    return this.settings.log;
  }

  get enabled(): boolean {
    return typeof this.#enabled === 'function' ? this.#enabled() : this.#enabled;
  }

  set enabled(enabled: boolean) {
    this.#enabled = enabled;
  }

  /** Every target made so far: after boot, every decorated method of every provider and controller. */
  get targets(): IterableIterator<MethodTarget> {
    return this.#names.values();
  }

  /** Answers a call of a decorated method. */
  invoke(definition: MethodDefinition, self: object, args: readonly unknown[]): MaybePromise<unknown> {
    const target = this.target(definition, self.constructor);
    let call: Call;
    try {
      call = target.call(self, args);
    } catch (error) {
      return this.engine.bypass(this.#unkeyed(target, self, args, error));
    }
    return this.enabled ? this.engine.fetch(call) : this.engine.bypass(call);
  }

  #unkeyed(target: MethodTarget, self: object, args: readonly unknown[], error: unknown): Call {
    this.log.warn(
      `unkeyed ${target.name}`,
      `A call of ${target.name} was not cached: ${unkeyedReason(error)}`,
    );
    return target.unkeyed(self, args);
  }

  /** The target of a decorated method on a concrete class; made when it is first asked for. */
  target(definition: MethodDefinition, owner: Function, shape?: Partial<MethodShape>): MethodTarget {
    let owners = this.#targets.get(definition);
    if (owners === undefined) this.#targets.set(definition, (owners = new Map<Function, MethodTarget>()));
    let target = owners.get(owner);
    if (target === undefined) owners.set(owner, (target = this.#create(definition, owner, shape)));
    return target;
  }

  #create(
    definition: MethodDefinition,
    owner: Function,
    shape: Partial<MethodShape> | undefined,
  ): MethodTarget {
    const name = definition.name ?? `${owner.name}.${definition.methodName}`;
    const twin = this.#names.get(name);
    if (twin !== undefined) throw sameName(name, twin, owner, definition);
    for (const hint of definition.hints) this.log.warn(hint, hint);
    const store = this.store(definition.store, name);
    assertIsolation(definition.isolation, store.keepsReferences, name);
    const classes = new KnownClasses(this.classes);
    if (definition.type !== undefined) classesOf(definition.type, name).forEach((one) => classes.add(one));
    const key = definition.plan(shape).compile(this.settings, { describeEntity: this.describeEntity });
    const policy = { ...definition.policy, ttl: definition.policy.ttl ?? this.settings.ttl };
    const values = definition.values ?? isolateValues(definition.isolation, classes);
    const target = new MethodTarget(definition, owner, name, key, store, policy, values, this.space);
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
  bump(tags: readonly string[], mode: InvalidationMode): MaybePromise<void> {
    let pending: Promise<unknown>[] | undefined;
    for (const store of new Set(this.settings.stores.values())) {
      const bumped = store.bump(tags, mode);
      if (bumped instanceof Promise) (pending ??= []).push(bumped);
    }
    if (pending !== undefined) return Promise.all(pending).then(() => undefined);
  }

  /** Forbids storing the load that the caller runs in, if any. */
  refuseCurrentLoad(reason: string): void {
    currentLoad()?.refuse(reason);
  }
}

function unkeyedReason(error: unknown): string {
  return error instanceof Error && 'code' in error ? error.message : describeError(error);
}

function sameName(
  name: string,
  twin: MethodTarget,
  owner: Function,
  definition: MethodDefinition,
): CacheConfigurationError {
  const what = twin.owner === owner ? 'two cached methods' : `two classes called ${owner.name}`;
  return new CacheConfigurationError(
    'CACHE_NAME',
    `There are ${what} that would share the cached name '${name}'. Give one of them a name of its own: ` +
      `@Cache${definition.kind === 'result' ? 'Result' : 'Response'}({ name: '${name}2', … }).`,
  );
}
