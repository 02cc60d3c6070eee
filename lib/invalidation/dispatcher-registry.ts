import { CacheConfigurationError } from '../cache/errors.js';
import type { MaybePromise } from '../stores/store.interface.js';
import type { BoundRule } from './bound-rule.js';
import type { Dispatcher, InvalidationJob, JobHandler } from './dispatcher.interface.js';

/** Settings of dispatchers, by name: handed to them, but for `raiseException`. */
export type DispatcherSettings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export const INLINE = 'inline';

/** The dispatchers of the application, by name. */
export class DispatcherRegistry {
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor(
    private readonly defaultDispatcher: string,
    private readonly settings: DispatcherSettings,
    /** The name that `@InvalidationDispatcher()` gave to a class. */
    private readonly nameOfClass: (type: object) => string | undefined,
  ) {}

  /** @throws CacheConfigurationError when the name is taken by another dispatcher */
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

  /** The name of the dispatcher a rule asks for. @throws CacheConfigurationError for one that is not there */
  resolve(wanted: unknown, where: string): string {
    const name = typeof wanted === 'function' ? this.nameOfClass(wanted) : (wanted ?? this.defaultDispatcher);
    if (typeof name === 'string' && this.#dispatchers.has(name)) return name;
    const asked = typeof wanted === 'function' ? wanted.name : `'${String(name)}'`;
    throw new CacheConfigurationError(
      'DISPATCHER_UNKNOWN',
      `${where} asks for the dispatcher ${asked}, which is not there. Write one of ${[...this.#dispatchers.keys()].join(', ')}, or ` +
        `register your own: forRoot({ dispatchers: [MyDispatcher] }) with @InvalidationDispatcher('name') on the class.`,
    );
  }

  isInline(name: string): boolean {
    return name === INLINE;
  }

  raiseException(name: string): boolean | undefined {
    const raise = this.settings[name]?.['raiseException'];
    return typeof raise === 'boolean' ? raise : undefined;
  }

  /** Rules by dispatcher and configuration. */
  group(rules: readonly BoundRule[]): Map<string, BoundRule[]> {
    const groups = new Map<string, BoundRule[]>();
    for (const rule of rules) {
      const group = groups.get(rule.dispatcher);
      if (group === undefined) groups.set(rule.dispatcher, [rule]);
      else group.push(rule);
    }
    return groups;
  }

  /** Hands jobs on; those of rules with equal `dispatcherConfig` together. */
  dispatch(
    name: string,
    rules: readonly BoundRule[],
    jobs: readonly InvalidationJob[],
    handle: JobHandler,
  ): MaybePromise<void> {
    const dispatcher = this.#dispatchers.get(name)!;
    const byConfig = new Map<
      string,
      { config: Readonly<Record<string, unknown>>; jobs: InvalidationJob[] }
    >();
    const { raiseException: _ours, ...settings } = this.settings[name] ?? {};
    rules.forEach((rule, i) => {
      const config = { ...settings, ...rule.options.dispatcherConfig };
      const key = groupKey(config) ?? rule.id;
      const group = byConfig.get(key) ?? { config, jobs: [] };
      group.jobs.push(jobs[i]!);
      byConfig.set(key, group);
    });
    // One that throws keeps no other group from being handed on.
    const pending = [...byConfig.values()].map(async (group) =>
      dispatcher.dispatch(group.jobs, { config: group.config, handle }),
    );
    return Promise.all(pending).then(() => undefined);
  }
}

/** Equal configurations have one key; those that JSON cannot tell apart have none. */
function groupKey(config: Readonly<Record<string, unknown>>): string | undefined {
  try {
    return JSON.stringify(config, (_, value: unknown) => {
      if (typeof value === 'function') throw new TypeError('Functions have no JSON.');
      return value;
    });
  } catch {
    return undefined;
  }
}
