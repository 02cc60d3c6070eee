import type { DataSource } from 'typeorm';
import { CachedMethod } from '../../lib/cache/cached-method.js';
import { cachedMethodsOf } from '../../lib/cache/method-names.js';
import { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { InlineDispatcher } from '../../lib/dispatchers/index.js';
import { CACHE_MISSING } from '../../lib/index.js';
import {
  DispatcherRegistry,
  INLINE,
  InvalidationService,
  invalidatorsAmong,
  RuleRegistry,
} from '../../lib/invalidation/index.js';
import { normaliseOptions } from '../../lib/module/options.js';
import { OnceLog } from '../../lib/observability/once-log.js';
import { DataSourceAttacher } from '../../lib/typeorm/data-source-attacher.js';
import { LogBook } from '../support/application.js';
import { ASKED, Library } from './library.js';

interface CachedCall {
  readonly args: readonly unknown[];
  readonly method: CachedMethod<readonly unknown[], unknown>;
  readonly compute: (library: Library) => Promise<unknown>;
}

/** The whole way from a commit to the store, without an application: a DataSource, the rules of the library, its entries. */
export class CachedLibrary {
  readonly log = new LogBook();
  /** By the names of entries: the method's, and its argument where it has one, as in `article:1`. */
  readonly #calls = new Map<string, CachedCall>();
  readonly #attacher: DataSourceAttacher;

  private constructor(dataSource: DataSource, library: Library) {
    const runtime = new CacheRuntime({ ...normaliseOptions().runtime, log: new OnceLog(this.log) });
    const dispatchers = new DispatcherRegistry(INLINE, {}, () => INLINE);
    dispatchers.add(INLINE, new InlineDispatcher());
    const rules = new RuleRegistry(() => INLINE, invalidatorsAmong([]));
    const service = new InvalidationService(runtime, dispatchers, false);
    this.#attacher = new DataSourceAttacher(runtime, rules, service, false);
    this.#attacher.attach(dataSource);
    for (const definition of cachedMethodsOf(Library)) {
      const target = runtime.target(definition, Library);
      rules.add(target);
      const method = new CachedMethod<readonly unknown[], unknown>(runtime, target, {
        instance: () => library,
        describe: (handler, request) => handler.call(library, [request]),
        tagged: (handler, request) => handler.tagged([request]),
      });
      const name = definition.methodName as keyof typeof ASKED;
      for (const args of ASKED[name] === 'once' ? [[]] : ASKED[name].map((value) => [value])) {
        const compute = (now: Library) => definition.original.apply(now, args as never[]);
        this.#calls.set([name, ...args.map(String)].join(':'), { args, method, compute });
      }
    }
  }

  /** Attached to a DataSource, and every entry there. */
  static async filled(dataSource: DataSource, library: Library): Promise<CachedLibrary> {
    const cached = new CachedLibrary(dataSource, library);
    for (const { method, args } of cached.#calls.values()) await method.get(...args);
    const missing = await cached.dead();
    if (missing.length > 0) throw new Error(`Not cached in the first place: ${missing.join(' ')}`);
    return cached;
  }

  /** The names of the entries that are gone. */
  dead(): Promise<string[]> {
    return this.#named(async ({ method, args }) => (await method.getCacheOnly(...args)) === CACHE_MISSING);
  }

  /** The names of the entries that are still served, though `now` answers otherwise. */
  stale(now: Library): Promise<string[]> {
    return this.#named(async ({ method, args, compute }) => {
      const cached = await method.getCacheOnly(...args);
      return cached !== CACHE_MISSING && JSON.stringify(cached) !== JSON.stringify(await compute(now));
    });
  }

  async #named(test: (call: CachedCall) => Promise<boolean>): Promise<string[]> {
    const names: string[] = [];
    for (const [name, call] of this.#calls) if (await test(call)) names.push(name);
    return names;
  }

  /**
   * The entries that a row of the table names, one after the other: `titles`, `article:1,2`, or `article:*` for all of a
   * method.
   */
  expand(row: string): string[] {
    const words = row.split(' ').filter((word) => word !== '');
    const named = words.flatMap((word) => {
      const [method, args] = word.split(':') as [string, string?];
      if (args === undefined) return [method];
      if (args !== '*') return args.split(',').map((arg) => `${method}:${arg}`);
      return [...this.#calls.keys()].filter((name) => name.startsWith(`${method}:`));
    });
    const unknown = named.filter((name) => !this.#calls.has(name));
    if (unknown.length > 0) throw new Error(`There is no such entry: ${unknown.join(' ')}`);
    return [...this.#calls.keys()].filter((name) => named.includes(name));
  }

  close(): void {
    this.#attacher.detachAll();
  }
}
