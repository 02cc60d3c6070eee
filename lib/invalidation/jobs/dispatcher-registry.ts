import { CacheConfigurationError } from '../../common/errors.js';
import type { DispatcherState } from '../../observability/metrics.js';
import type { MaybePromise } from '../../stores/store.interface.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type {
  ChangeTransaction,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
  JobWork,
} from './dispatcher.interface.js';
import { Deadline, type ShutdownDeadline } from '../../common/async.js';
import { nearestNames } from '../../common/messages.js';

import { groupJobs, type JobGroup } from './job.js';
import { INLINE, type RuleOptions } from '../rules/rule-options.js';

/**
 * Settings of dispatchers by name. The module reads `raiseException`; the dispatcher gets the others.
 *
 * @publicApi
 */
export type DispatcherSettings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Dispatchers of this library that an application must register, and how. */
const OPTIONAL_DISPATCHERS: ReadonlyMap<string, string> = new Map([
  ['bullmq', withPackages('bullmq ioredis', 'bullMqDispatcher({ connection })', 'bullmq')],
  ['pg-boss', withPackages('pg-boss', 'pgBossDispatcher({ boss })', 'pg-boss')],
  [
    'microservice',
    withPackages('@nestjs/microservices', 'microserviceDispatcher({ client })', 'microservices'),
  ],
  [
    'outbox',
    `Write forRoot({ dispatchers: [outboxDispatcher()] }), and add outboxMigration() to your migrations.`,
  ],
]);

function withPackages(packages: string, call: string, subpath: string): string {
  const name = call.slice(0, call.indexOf('('));
  return (
    `Run npm install ${packages}, import { ${name} } from 'nestjs-restflow-cache/${subpath}' and write ` +
    `forRoot({ dispatchers: [${call}] }).`
  );
}

/** The dispatchers of the application, by name. */
export class DispatcherRegistry {
  readonly #dispatchers = new Map<string, Dispatcher>();
  #isClosed = false;
  /** Dispatchers that were given jobs after {@link close}. */
  readonly #usedAfterClose = new Set<Dispatcher>();

  constructor(
    private readonly defaultDispatcher: string,
    private readonly settings: DispatcherSettings,
    /** The name that `@InvalidationDispatcher()` gave to a class. */
    private readonly nameOfClass: (type: object) => string | undefined,
  ) {}

  /** @throws CacheConfigurationError if another dispatcher has the name */
  add(name: string, dispatcher: Dispatcher): void {
    const known = this.#dispatchers.get(name);
    if (known !== undefined && known !== dispatcher) {
      throw new CacheConfigurationError(
        'DISPATCHER_NAME',
        `There are two dispatchers called '${name}'. Rename one in @InvalidationDispatcher('…').`,
      );
    }
    this.#dispatchers.set(name, dispatcher);
  }

  has(name: string): boolean {
    return this.#dispatchers.has(name);
  }

  /** Names of `dispatcherSettings` that no dispatcher reads. */
  get unreadSettings(): readonly string[] {
    return Object.keys(this.settings).filter((name) => !this.has(name));
  }

  /**
   * The name of the dispatcher of a rule.
   * @throws CacheConfigurationError if the application has no such dispatcher, or the dispatcher rejects `dispatcherConfig` of the rule
   */
  of({ dispatcher, dispatcherConfig = {} }: RuleOptions, where: string): string {
    const name = this.resolve(dispatcher, where);
    try {
      this.#dispatchers.get(name)!.check?.(dispatcherConfig);
    } catch (error) {
      if (!(error instanceof CacheConfigurationError)) throw error;
      throw new CacheConfigurationError(error.code, `${where}: ${error.message}`);
    }
    return name;
  }

  /**
   * The name of a dispatcher that was given by name or class, or of the default dispatcher.
   * @throws CacheConfigurationError if the application has no such dispatcher
   */
  resolve(wanted: unknown, where: string): string {
    const name = typeof wanted === 'function' ? this.nameOfClass(wanted) : (wanted ?? this.defaultDispatcher);
    if (typeof name === 'string' && this.#dispatchers.has(name)) return name;
    const asked = typeof wanted === 'function' ? wanted.name : `'${String(name)}'`;
    const remedy =
      OPTIONAL_DISPATCHERS.get(String(name)) ??
      `${this.#didYouMean(name)}Write one of ${[...this.#dispatchers.keys()].join(', ')}, or register your own: ` +
        `forRoot({ dispatchers: [MyDispatcher] }) with @InvalidationDispatcher('name') on the class.`;
    throw new CacheConfigurationError(
      'DISPATCHER_UNKNOWN',
      `${where} names the dispatcher ${asked}, which this application does not have. ${remedy}`,
    );
  }

  isInline(name: string): boolean {
    return name === INLINE;
  }

  /** Tells whether a dispatcher writes its jobs inside the transaction of the change. */
  isDurable(name: string): boolean {
    return this.#dispatchers.get(name)?.enqueue !== undefined;
  }

  raiseException(name: string): boolean | undefined {
    const raise = this.settings[name]?.['raiseException'];
    return typeof raise === 'boolean' ? raise : undefined;
  }

  /** Groups rules by dispatcher. */
  group(rules: readonly ActiveRule[]): Map<string, ActiveRule[]> {
    const groups = new Map<string, ActiveRule[]>();
    for (const rule of rules) {
      const group = groups.get(rule.dispatcher);
      if (group === undefined) groups.set(rule.dispatcher, [rule]);
      else group.push(rule);
    }
    return groups;
  }

  /** Passes jobs to a dispatcher. Jobs of rules with equal `dispatcherConfig` are passed together. */
  dispatch(
    name: string,
    rules: readonly ActiveRule[],
    jobs: readonly InvalidationJob[],
    work: JobWork,
  ): MaybePromise<void> {
    const dispatcher = this.#dispatchers.get(name)!;
    if (this.#isClosed) this.#usedAfterClose.add(dispatcher);
    // async: if the dispatcher throws for one group, the other groups are still dispatched.
    const pending = this.#byConfig(name, rules, jobs).map(async (group) =>
      dispatcher.dispatch(group.jobs, { config: group.config, ...work }),
    );
    return Promise.all(pending).then(() => undefined);
  }

  /** Writes jobs inside a transaction. Rejects if a group could not be written: the transaction must fail. */
  async enqueue(
    name: string,
    rules: readonly ActiveRule[],
    jobs: readonly InvalidationJob[],
    work: JobWork,
    transaction: ChangeTransaction,
  ): Promise<void> {
    const dispatcher = this.#dispatchers.get(name)!;
    // In sequence: a connection runs one statement at a time.
    for (const group of this.#byConfig(name, rules, jobs))
      await dispatcher.enqueue!(group.jobs, { config: group.config, ...work }, transaction);
  }

  /** Starts all dispatchers. */
  async start(hostOf: (name: string) => Omit<DispatcherHost, 'config'>): Promise<void> {
    for (const [name, dispatcher] of this.#dispatchers) {
      const host = hostOf(name);
      if (dispatcher.start === undefined) continue;
      await dispatcher.start({ ...host, config: this.#settingsOf(name) });
    }
  }

  /** States of the dispatchers that report one. A dispatcher whose `state()` throws is down. */
  states(): Readonly<Record<string, DispatcherState>> {
    const states: [string, DispatcherState][] = [];
    for (const [name, dispatcher] of this.#dispatchers) {
      try {
        const state = dispatcher.state?.();
        if (state !== undefined) states.push([name, state]);
      } catch {
        states.push([name, { status: 'down', waitingJobs: 0 }]);
      }
    }
    return Object.fromEntries(states);
  }

  /** Closes all dispatchers, even if one fails. A second call closes those that were given jobs since the first. */
  async close(failed: (error: unknown) => void, deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    const open = new Set(this.#isClosed ? this.#usedAfterClose : this.#dispatchers.values());
    this.#isClosed = true;
    this.#usedAfterClose.clear();
    const closing = [...open].map(async (dispatcher) => {
      try {
        await deadline.wait(Promise.resolve(dispatcher.close?.(deadline)));
      } catch (error) {
        failed(error);
      }
    });
    await Promise.all(closing);
  }

  #didYouMean(name: unknown): string {
    const known = [...this.#dispatchers.keys(), ...OPTIONAL_DISPATCHERS.keys()];
    const [nearest] = typeof name === 'string' ? nearestNames(name, known) : [];
    return nearest === undefined ? '' : `Did you mean '${nearest}'? `;
  }

  #settingsOf(name: string): Readonly<Record<string, unknown>> {
    const { raiseException: _ofModule, ...settings } = this.settings[name] ?? {};
    return settings;
  }

  #byConfig(
    name: string,
    rules: readonly ActiveRule[],
    jobs: readonly InvalidationJob[],
  ): readonly JobGroup[] {
    return groupJobs(rules, jobs, this.#settingsOf(name));
  }
}
