import { KeyConstructor, type KeyMeta, type PartitionValues } from '../keys/index.js';
import { CachedMethod, type MethodAccess } from './cached-method.js';
import type { CacheReport, RuleReport } from './cache-report.js';
import type { CacheRuntime } from './cache-runtime.js';
import { definitionOf } from './method-names.js';
import { CacheUsageError } from '../common/errors.js';
import type { MethodTarget } from './method-target.js';
import { describe } from '../common/messages.js';

/** Functions of other rooms that the directory uses. */
export interface DirectoryLinks {
  /** The instance of a provider class. */
  resolve(owner: Function): object;
  /** A call that names the entry of a request. */
  describe: MethodAccess['describe'];
  /** A call that has the tags of a request. */
  tagged: MethodAccess['tagged'];
  rulesOf(target: MethodTarget): readonly RuleReport[];
  advice(): readonly string[];
}

/** Own `meta` only: the namespace of a base class covers more than the class. */
function ownMetaOf(keyConstructor: object): KeyMeta {
  return Object.hasOwn(keyConstructor, 'meta') ? (keyConstructor as { meta: KeyMeta }).meta : {};
}

/** Finds the cached methods of the application. */
export class MethodDirectory {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly links: DirectoryLinks,
  ) {}

  /** @throws CacheUsageError if there is no such cached method */
  find(owner: object, method: string): CachedMethod<readonly unknown[], unknown> {
    if (owner === null || (typeof owner !== 'object' && typeof owner !== 'function')) {
      throw new CacheUsageError(
        'CACHE_NOT_CACHED',
        `cache.for() was given ${describe(owner)}. Write the class, cache.for(UsersService, 'find'), or an instance of it; a class ` +
          `that is undefined is usually a circular import.`,
      );
    }
    const isClass = typeof owner === 'function';
    const target = this.#target(isClass ? owner : owner.constructor, method);
    return new CachedMethod<readonly unknown[], unknown>(this.runtime, target, {
      instance: () => (isClass ? this.links.resolve(owner) : owner),
      describe: this.links.describe,
      tagged: this.links.tagged,
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
      `${owner.name} is not a provider or controller of this application. Add it to the providers of a module that is imported.`,
    );
  }

  /** The methods with this key constructor, or with one that extends it. */
  withKey(keyConstructor: abstract new (...args: never[]) => KeyConstructor): readonly MethodTarget[] {
    if (typeof keyConstructor !== 'function' || !(keyConstructor.prototype instanceof KeyConstructor)) {
      throw new CacheUsageError(
        'CACHE_KEY_CONSTRUCTOR',
        `${describe(keyConstructor)} is not a class that extends KeyConstructor. Write the class of the keys to drop, ` +
          `cache.wipe(UserPayloadKey); to drop the values of one method, write cache.for(UsersService, 'find').invalidateAll().`,
      );
    }
    return [...this.runtime.targets].filter(({ definition: { keyConstructor: used } }) =>
      typeof used === 'function'
        ? used === keyConstructor || used.prototype instanceof keyConstructor
        : used instanceof keyConstructor,
    );
  }

  /**
   * The tags of all entries of a key constructor, or of one partition. The tag of its namespace covers methods that this process does not
   * load.
   */
  tagsOf(
    keyConstructor: abstract new (...args: never[]) => KeyConstructor,
    values: PartitionValues | undefined,
  ): readonly string[] {
    const targets = this.withKey(keyConstructor);
    const tags = targets.map((target) =>
      values === undefined ? target.methodTag : target.partitionTag(values),
    );
    const { namespace } = ownMetaOf(keyConstructor);
    if (typeof namespace === 'string' && (values === undefined || targets.length === 0))
      tags.push(this.runtime.space.namespaceTag(namespace));
    if (tags.length === 0) {
      const { name } = keyConstructor;
      this.runtime.log.warn(
        `wipe ${name}`,
        `wipe(${name}) drops nothing: no method of this application has such keys, and ${name} has no meta.namespace by which those of ` +
          `other processes are known.`,
      );
    }
    return tags;
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
