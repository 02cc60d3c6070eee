import 'reflect-metadata';
import { CacheRuntime } from '../../../lib/cache/cache-runtime.js';
import type { Clock } from '../../../lib/common/time.js';
import { definitionOf } from '../../../lib/cache/method-names.js';
import type { MethodTarget } from '../../../lib/cache/method-target.js';
import {
  ArgsKeyField,
  CacheResult,
  type CacheResultOptions,
  type Dispatcher,
  type DispatcherSettings,
  type EntityChange,
  inlineKeyConstructor,
  type InvalidatesOn,
  type RewarmRequest,
} from '../../../lib/index.js';
import { DISPATCHER_METADATA, InlineDispatcher } from '../../../lib/dispatchers/index.js';
import {
  DispatcherRegistry,
  INLINE,
  InvalidationService,
  invalidatorsAmong,
  Rewarmer,
  rewarmResult,
  RuleRegistry,
  type Change,
} from '../../../lib/invalidation/index.js';
import { normaliseOptions } from '../../../lib/module/options.js';
import { LogBook } from '../../support/application.js';
import { OnceLog } from '../../../lib/observability/once-log.js';

export interface WorldOptions {
  /** A method of two arguments, `user` and `tenant`, each a partition, unless this says otherwise. */
  readonly method?: (...args: never[]) => Promise<unknown>;
  readonly key?: CacheResultOptions['keyConstructor'];
  /** Makes the method a handler, as far as rules see one, that says what to ask it for. */
  readonly rewarmRequest?: (change: EntityChange) => RewarmRequest;
  readonly dispatchers?: Readonly<Record<string, Dispatcher>>;
  readonly defaultDispatcher?: string;
  readonly settings?: DispatcherSettings;
  readonly raiseException?: boolean;
  /** Milliseconds; commits are then of a DataSource with replicas. */
  readonly replicaLag?: number;
  readonly clock?: Clock;
  /** Instances of the classes that rules have for invalidators. */
  readonly invalidators?: readonly object[];
}

const BOTH = inlineKeyConstructor({
  fields: {
    user: new ArgsKeyField('user', { partition: true }),
    tenant: new ArgsKeyField('tenant', { partition: true }),
  },
});

async function find(this: World, user: unknown, tenant: unknown): Promise<unknown> {
  this.found++;
  return [user, tenant];
}

/** One cached method, its rules, and everything that carries them out, without an application and without TypeORM. */
export class World {
  readonly log = new LogBook();
  readonly runtime: CacheRuntime;
  readonly rules: RuleRegistry;
  readonly dispatchers: DispatcherRegistry;
  readonly target: MethodTarget;
  readonly bumps: { tags: readonly string[]; mode: string }[] = [];
  /** What the store does instead of invalidating. */
  failing: (() => Promise<void> | undefined) | undefined;
  readonly service: InvalidationService;
  readonly #isReplicated: boolean;
  readonly rewarmer: Rewarmer;
  /** How often the method ran. */
  found = 0;

  constructor(invalidatesOn: readonly unknown[], options: WorldOptions = {}) {
    const { settings = {}, raiseException = false, clock, replicaLag = 0 } = options;
    const log = new OnceLog(this.log);
    this.runtime = new CacheRuntime({ ...normaliseOptions({ ...(clock && { clock }) }).runtime, log });
    this.#isReplicated = replicaLag > 0;
    this.#watchBumps();
    this.dispatchers = new DispatcherRegistry(options.defaultDispatcher ?? INLINE, settings, nameOf);
    this.dispatchers.add(INLINE, new InlineDispatcher());
    for (const [name, dispatcher] of Object.entries(options.dispatchers ?? {}))
      this.dispatchers.add(name, dispatcher);
    this.rules = new RuleRegistry(
      (asked, where) => this.dispatchers.of(asked, where),
      invalidatorsAmong(options.invalidators ?? []),
    );
    this.rewarmer = new Rewarmer(this.runtime.settings.clock, log, ({ values }) =>
      rewarmResult(this.runtime, this.target, this, values!),
    );
    this.service = new InvalidationService(
      this.runtime,
      this.dispatchers,
      raiseException,
      replicaLag,
      this.rewarmer,
    );
    this.target = this.#decorate(invalidatesOn as InvalidatesOn[], options);
    this.rules.add(this.target);
  }

  /** The tags that a change of a row with these mapped values drops. */
  tagsOf(values: Readonly<Record<string, unknown>>): string[] {
    return [this.target.partitionTag(values), this.target.anySpellingTag(Object.keys(values))];
  }

  #watchBumps(): void {
    const bump = this.runtime.bump.bind(this.runtime);
    this.runtime.bump = (tags, mode) => {
      const failed = this.failing?.();
      if (failed !== undefined) return failed;
      this.bumps.push({ tags, mode });
      return bump(tags, mode);
    };
  }

  #decorate(
    invalidatesOn: InvalidatesOn[],
    { method = find, key = BOTH, rewarmRequest }: WorldOptions,
  ): MethodTarget {
    class Users {}
    const descriptor = { value: method as unknown, configurable: true, writable: true };
    CacheResult({ ttl: 60, keyConstructor: key, invalidatesOn })(
      Users.prototype,
      'find',
      descriptor as never,
    );
    Object.defineProperty(Users.prototype, 'find', descriptor);
    const definition = definitionOf(Users, 'find')!;
    if (rewarmRequest === undefined) return this.runtime.target(definition, Users);
    return this.runtime.target(
      { ...definition, kind: 'response', rewarmRequest: rewarmRequest as never },
      Users,
    );
  }

  /** What committing these changes makes the writer wait for. */
  commit(...changes: Change[]): void | Promise<void> {
    return this.service.committed(changes, () => this.rules.all(), this.#isReplicated);
  }

  /** The same in a transaction, which durable dispatchers write their jobs into. */
  async transaction(...changes: Change[]): Promise<void> {
    const transaction = { queryRunner: { query: async () => undefined }, dataSource: {} };
    await this.service.committing(
      changes,
      () => this.rules.all(),
      transaction,
      (work) => work(),
    );
    await this.commit(...changes);
  }

  /** Carries out a job that a queue delivered. */
  handle(delivered: unknown): void | Promise<void> {
    return this.service.handle(delivered);
  }

  /** Whether a call of these arguments has to load. */
  async loads(...args: unknown[]): Promise<boolean> {
    const before = this.found;
    await this.runtime.engine.fetch(this.target.call(this, args));
    return this.found > before;
  }

  /** The `user-tenant` pairs whose entries a commit of these changes drops, of three users in three tenants. */
  async dropped(...changes: Change[]): Promise<string[]> {
    const pairs = [1, 2, null].flatMap((user) => [1, 2, null].map((tenant) => [user, tenant] as const));
    for (const pair of pairs) await this.loads(...pair);
    await this.commit(...changes);
    const dropped: string[] = [];
    for (const pair of pairs) if (await this.loads(...pair)) dropped.push(pair.join('-'));
    return dropped;
  }
}

function nameOf(type: object): string | undefined {
  return Reflect.getMetadata(DISPATCHER_METADATA, type) as string | undefined;
}
