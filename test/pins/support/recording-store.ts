import {
  memoryStore,
  StoreUnavailableError,
  type CacheStore,
  type Entry,
  type InvalidationMode,
  type MaybePromise,
  type Stamp,
  type StoreHost,
  type StoreQuery,
  type Verdict,
} from '../../../lib/index.js';
import { BUILD } from './recording-redis.js';

/** The memory store, which writes down the key and tags of every entry that it is given, and every tag that it drops. */
export class RecordingStore implements CacheStore {
  readonly kind = 'memory';
  readonly keepsReferences = true;
  readonly #inner = memoryStore();
  #lines: string[] = [];

  /** What was written down since the last call. */
  take(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** Drops every entry. */
  async forget(): Promise<void> {
    await this.#inner.sweep('', () => true);
  }

  get(query: StoreQuery): MaybePromise<Entry | Stamp> {
    return this.#inner.get(query);
  }

  set(query: StoreQuery, entry: Entry): MaybePromise<boolean | void> {
    const tags = [...entry.stamp.tags].sort().map((tag) => `tag    ${tag}`);
    this.#lines.push(`entry  ${query.key}`, ...tags);
    return this.#inner.set(query, entry);
  }

  bump(tags: readonly string[], mode: InvalidationMode): MaybePromise<void> {
    this.#lines.push(...[...tags].sort().map((tag) => `${mode}  ${tag}`));
    return this.#inner.bump(tags, mode);
  }

  stamp(tags: readonly string[]): MaybePromise<Stamp> {
    return this.#inner.stamp(tags);
  }

  judge(stamp: Stamp): MaybePromise<Verdict> {
    return this.#inner.judge(stamp);
  }

  touch(key: string, entry: Entry): void {
    this.#inner.touch?.(key, entry);
  }

  sweep(prefix: string, drop: (key: string) => boolean): MaybePromise<void> {
    return this.#inner.sweep(prefix, drop);
  }

  attach(host: StoreHost): void {
    this.#inner.attach?.(host);
  }
}

/** Says that processes share it, so that the application publishes its rules there. */
export class SharedRecordingStore implements CacheStore {
  readonly kind = 'shared';
  readonly keepsReferences = false;
  readonly #inner = memoryStore();
  /** What was stored without tags: values that are no entries of the cache. */
  readonly plain: { readonly key: string; readonly value: unknown; readonly life: number }[] = [];
  isDown = false;

  get(query: StoreQuery): MaybePromise<Entry | Stamp> {
    if (this.isDown) throw new StoreUnavailableError('the store is down');
    return this.#inner.get(query);
  }

  set(query: StoreQuery, entry: Entry): MaybePromise<boolean | void> {
    const { data } = query.values.encode(entry.value);
    if (data !== null)
      this.plain.push({ key: query.key, value: data, life: entry.keepUntil - entry.cachedAt });
    return this.#inner.set(query, entry);
  }

  bump(tags: readonly string[], mode: InvalidationMode): MaybePromise<void> {
    return this.#inner.bump(tags, mode);
  }

  stamp(tags: readonly string[]): MaybePromise<Stamp> {
    return this.#inner.stamp(tags);
  }

  judge(stamp: Stamp): MaybePromise<Verdict> {
    return this.#inner.judge(stamp);
  }

  sweep(prefix: string, drop: (key: string) => boolean): MaybePromise<void> {
    return this.#inner.sweep(prefix, drop);
  }
}

/** A title, and beneath it what a call wrote; what it threw is part of that. */
export async function written(title: string, store: RecordingStore, call: () => unknown): Promise<string> {
  store.take();
  try {
    await call();
  } catch (error) {
    const { name, code } = error as { name: string; code?: string };
    return [title, `  error  ${name} ${code}`].join('\n');
  }
  const lines = store.take().map((line) => `  ${line.replace(BUILD, '$1<build>$2')}`);
  return [title, ...lines].join('\n');
}
