import type { KeyConstructor } from '../keys/index.js';
import { CachedMethod, type MethodAccess } from './cached-method.js';
import type { CacheReport, RuleReport } from './cache-report.js';
import type { CacheRuntime } from './cache-runtime.js';
import { definitionOf } from './cached-methods.js';
import { CacheUsageError } from './errors.js';
import type { MethodTarget } from './method-target.js';

/** What the directory asks of other rooms. */
export interface DirectoryLinks {
  /** The instance of a provider class. */
  resolve(owner: Function): object;
  /** A call that names the entry of a request. */
  describe: MethodAccess['describe'];
  rulesOf(target: MethodTarget): readonly RuleReport[];
  advice(): readonly string[];
}

/** Finds the cached methods of the application. */
export class MethodDirectory {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly links: DirectoryLinks,
  ) {}

  /** @throws CacheUsageError when there is no such cached method */
  find(owner: object, method: string): CachedMethod<readonly unknown[], unknown> {
    const isClass = typeof owner === 'function';
    const target = this.#target(isClass ? owner : owner.constructor, method);
    return new CachedMethod<readonly unknown[], unknown>(this.runtime, target, {
      instance: () => (isClass ? this.links.resolve(owner) : owner),
      describe: this.links.describe,
    });
  }

  #target(owner: Function, method: string): MethodTarget {
    const target = this.runtime.find(owner, method);
    if (target !== undefined) return target;
    if (definitionOf(owner, method) === undefined) {
      throw new CacheUsageError(
        'CACHE_NOT_CACHED',
        `${owner.name}.${method} is not cached. Decorate it with @CacheResult() or @CacheResponse().`,
      );
    }
    throw new CacheUsageError(
      'CACHE_NOT_PROVIDED',
      `${owner.name} is no provider or controller of this application. Add it to the providers of a module that is imported.`,
    );
  }

  /** The methods whose key constructor is this class, or extends it. */
  withKey(keyConstructor: abstract new (...args: never[]) => KeyConstructor): readonly MethodTarget[] {
    return [...this.runtime.targets].filter(({ definition: { keyConstructor: used } }) =>
      typeof used === 'function'
        ? used === keyConstructor || used.prototype instanceof keyConstructor
        : used instanceof keyConstructor,
    );
  }

  report(): CacheReport {
    const { settings, enabled } = this.runtime;
    return {
      enabled,
      namespace: settings.namespace,
      stores: Object.fromEntries([...settings.stores].map(([name, store]) => [name, store.kind])),
      methods: [...this.runtime.targets].map((target) => ({
        name: target.name,
        kind: target.definition.kind,
        store: target.definition.store ?? 'default',
        ttl: typeof target.policy.ttl === 'number' ? target.policy.ttl / 1000 : null,
        namespace: target.key.namespace ?? null,
        partitionFields: target.key.partitionFields,
        rules: this.links.rulesOf(target),
      })),
      advice: this.links.advice(),
    };
  }
}
