import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { StoreState } from '../../observability/metrics.js';
import { encodeEntry, splitGeneration } from '../entry-codec.js';
import {
  FLOOR_MS,
  judgeStamp,
  newGeneration,
  newHalf,
  parseGeneration,
  physicalLife,
} from '../shared-generations.js';
import { LARGE_BYTES } from '../slow-values.js';
import { type Generation, Stamp, type Verdict } from '../stamp.js';
import {
  type BumpLogStore,
  type BumpPosition,
  type Bus,
  type CacheStore,
  type Entry,
  type InvalidationMode,
  type Lease,
  type StoreHost,
  type StoreQuery,
  UNATTACHED,
} from '../store.interface.js';
import { appendBump, RedisBumpLog } from './redis-bump-log.js';
import { bumpMessage, BUS_CHANNEL, RedisBus } from './redis-bus.js';
import {
  type Candidate,
  openUnchanged,
  type RedisCommand,
  type RedisExecutor,
  RedisReading,
  sweepKeys,
} from './redis-commands.js';
import { RecentBumps } from './recent-bumps.js';
import type { RedisConnection } from './redis-connection.js';
import { explain, isDemotion, readError, unavailable, writeError } from './redis-failure.js';
import { RedisLifetimes } from './redis-lifetimes.js';

/** A crashed holder keeps other processes waiting for at most this long. Milliseconds. */
const LEASE_MS = 3_000;

const RENEW_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;
const RELEASE_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** Keys whose entries carry more tags than those of the query; the further tags are read together with the key. */
const MAX_HINTS = 10_000;

/** Renews the soft half of a generation atomically; a missing one stays missing. */
const EXPIRE_SCRIPT = `
local g = redis.call('GET', KEYS[1])
if not g then return 0 end
local dot = string.find(g, '.', 1, true)
if not dot then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.sub(g, 1, dot) .. ARGV[1], 'KEEPTTL')
return 1`;

const TAGS_PER_REPETITION = 500;

/** Entries and generations in Redis, or a Redis Cluster. */
export class RedisStore implements CacheStore, BumpLogStore {
  readonly kind = 'redis';
  /** It calls `host.changed` when it goes down and when it is back. */
  readonly reportsOutages = true;
  readonly keepsReferences = false;
  #host: StoreHost = UNATTACHED;
  readonly #lifetimes = new RedisLifetimes();
  readonly #hints = new LRUCache<string, readonly string[]>({ max: MAX_HINTS });

  readonly #recent: RecentBumps;

  /** @param grace milliseconds for which a process may not know of a new master */
  constructor(
    private readonly connection: RedisConnection,
    grace = 60_000,
  ) {
    this.#recent = new RecentBumps(2 * grace);
    connection.beforeServing = () => this.#repeatBumps();
  }

  async get(query: StoreQuery): Promise<Entry | Stamp> {
    const tags = this.#tagsOf(query);
    const names = [query.key, ...tags];
    const { epoch, history, values } = await this.#read(names);
    const { ahead } = this.connection.clock;
    const entry = openUnchanged(query, epoch, tags, values, ahead);
    if (entry === undefined)
      return (await this.#resultsOf([query], new RedisReading(epoch, history, ahead, names, values)))[0]!;
    this.touch(query.key, entry);
    return entry;
  }

  async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    if (queries.length === 0) return [];
    const names = [...new Set(queries.flatMap((query) => [query.key, ...this.#tagsOf(query)]))];
    const { epoch, history, values } = await this.#read(names);
    return this.#resultsOf(
      queries,
      new RedisReading(epoch, history, this.connection.clock.ahead, names, values),
    );
  }

  /** The tags of the query, and further tags that its entry is known to carry. */
  #tagsOf(query: StoreQuery): readonly string[] {
    const hinted = this.#hints.get(query.key);
    return hinted === undefined ? query.tags() : [...query.tags(), ...hinted];
  }

  /** Results of the queries: entries where they are current, stamps where not. */
  async #resultsOf(queries: readonly StoreQuery[], reading: RedisReading): Promise<(Entry | Stamp)[]> {
    const candidates = queries.map((query) => reading.candidate(query));
    await this.#readFurtherTags(candidates, reading);
    const entries = candidates.map((candidate) => candidate && reading.open(candidate));
    entries.forEach((entry, i) => entry && this.touch(queries[i]!.key, entry));
    const missing = queries.filter((_, i) => entries[i] === undefined).map((query) => query.tags());
    const stamps = missing.length === 0 ? [] : await this.#stamps(missing, reading);
    return entries.map((entry) => entry ?? stamps.shift()!);
  }

  /** Tags that only the entries name cost a second wait; from then on they are read in the first. */
  async #readFurtherTags(
    candidates: readonly (Candidate | undefined)[],
    reading: RedisReading,
  ): Promise<void> {
    const further = new Set<string>();
    for (const candidate of candidates) {
      if (candidate === undefined) continue;
      const { tags } = candidate.decoded.stamp;
      const unknown = tags.filter((tag) => !reading.has(tag));
      if (unknown.length > 0 || tags.length !== this.#tagsOf(candidate.query).length)
        this.#rememberTags(candidate.query, tags);
      for (const tag of unknown) further.add(tag);
    }
    if (further.size === 0) return;
    const { values } = await this.#read([...further]);
    this.connection.assertHistory(reading.history);
    reading.add([...further], values);
  }

  /** Remembers the further tags of a key's entry, replacing those of earlier entries. */
  #rememberTags(query: StoreQuery, carried: readonly string[]): void {
    const own = new Set(query.tags());
    const beyond = carried.filter((tag) => !own.has(tag));
    if (beyond.length > 0) this.#hints.set(query.key, beyond);
    else this.#hints.delete(query.key);
  }

  async stamp(tags: readonly string[]): Promise<Stamp> {
    const { epoch, history, values } = await this.#read(tags);
    const reading = new RedisReading(epoch, history, this.connection.clock.ahead, tags, values);
    return (await this.#stamps([tags], reading))[0]!;
  }

  /** @throws StoreUnavailableError, also where the connection was lost meanwhile: the answer may belong to another history */
  async #read(keys: readonly string[]): Promise<{
    readonly epoch: string;
    readonly history: string;
    readonly values: readonly (Buffer | null)[];
  }> {
    const { epoch, history } = this.connection;
    let values: (Buffer | null)[];
    try {
      values = await this.connection.executor.readMany(keys);
    } catch (error) {
      throw readError(error);
    }
    this.connection.assertHistory(history);
    return { epoch, history, values };
  }

  /** @throws StoreUnavailableError */
  async #write(commands: readonly RedisCommand[], isLarge = false): Promise<unknown[]> {
    try {
      const executor = isLarge ? this.connection.bulkExecutor : this.connection.executor;
      return await executor.runAll(commands);
    } catch (error) {
      throw this.#writeError(error);
    }
  }

  /** Stamps with the generations that were read. Absent ones are created; of concurrent creations the first counts. */
  async #stamps(tagLists: readonly (readonly string[])[], reading: RedisReading): Promise<Stamp[]> {
    const generations = new Map<string, Generation | undefined>();
    for (const tag of tagLists.flat()) generations.set(tag, reading.generation(tag));
    const absent = [...generations.keys()].filter((tag) => generations.get(tag) === undefined);
    if (absent.length > 0) {
      const commands = absent.flatMap((tag): RedisCommand[] => [
        // An unreadable generation counts as missing and is overwritten; NX would keep it.
        reading.isPresent(tag)
          ? ['set', tag, newGeneration(), 'PX', FLOOR_MS]
          : ['set', tag, newGeneration(), 'PX', FLOOR_MS, 'NX'],
        ['get', tag],
      ]);
      const replies = await this.#write(commands);
      absent.forEach((tag, i) => {
        // Evicted already (Redis is full): an entry under a generation that only this process knows is never served.
        const created = parseGeneration(replies[2 * i + 1] as string | null);
        generations.set(tag, created ?? splitGeneration(newGeneration()));
      });
    }
    return tagLists.map(
      (tags) =>
        new Stamp(
          reading.epoch,
          tags,
          tags.map((tag) => generations.get(tag)!),
        ),
    );
  }

  bumpPosition(tags: readonly string[]): Promise<BumpPosition> {
    return new RedisBumpLog(this.connection.executor, tags[0] ?? '').position();
  }

  /** Of another epoch, the stamp does not fit that of its load. */
  async stampSince(tags: readonly string[], position: BumpPosition): Promise<Stamp | undefined> {
    const stamp = await this.stamp(tags);
    const log = new RedisBumpLog(this.connection.executor, tags[0] ?? '');
    return (await log.isBumpedSince(position, tags)) ? undefined : stamp;
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    const { epoch, values } = await this.#read(stamp.tags);
    if (stamp.epoch !== epoch) return 'purged';
    const current = new Map(stamp.tags.map((tag, i) => [tag, values[i]!] as const));
    return judgeStamp(stamp, (tag) => current.get(tag)?.toString('latin1'));
  }

  async set(query: StoreQuery, entry: Entry): Promise<boolean> {
    // Under another history it would never be served.
    if (entry.stamp.epoch !== this.connection.epoch) return false;
    const life = physicalLife(entry);
    const bytes = encodeEntry(entry, query.values, this.connection.clock.ahead);
    const set: RedisCommand = ['set', query.key, bytes, 'PX', life.entry];
    if (entry.stamp.tags.length > query.tags().length) this.#rememberTags(query, entry.stamp.tags);
    const write = (): Promise<unknown> => {
      const extended = this.#lifetimes.extend(entry.stamp.tags, life.generations);
      return this.#write([set, ...extended], bytes.length >= LARGE_BYTES);
    };
    try {
      await write();
    } catch (error) {
      if (!this.#lifetimes.detectsRedis6(error)) throw error;
      await write();
    }
    return true;
  }

  async discard(key: string): Promise<void> {
    await this.connection.executor.runAll([['unlink', key]]).catch(() => undefined);
  }

  /** No caller waits for it: where it fails, the entry is loaded again at some time. */
  touch(key: string, entry: Entry): void {
    const commands = this.#lifetimes.renew(key, entry, this.#host.now());
    if (commands === undefined) return;
    this.#write(commands).catch((error: unknown) => {
      this.#lifetimes.detectsRedis6(error);
      this.#lifetimes.forget(key);
    });
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    // A server whose history is unknown may not be the master: its acknowledgement would be worth nothing.
    if (!this.connection.isReady) throw unavailable(this.connection.problem);
    this.#recent.note(tags, mode, this.#host.now(), this.#host.coarser);
    try {
      await this.#send(tags, mode);
    } catch (error) {
      throw this.#writeError(error);
    }
  }

  #send(tags: readonly string[], mode: InvalidationMode): Promise<unknown> {
    const commands = tags.map((tag) => bumpCommand(tag, mode));
    // Processes without a bus publish too: others may have one.
    return this.connection.executor.publish(BUS_CHANNEL, bumpMessage(tags, mode), commands, appendBump(tags));
  }

  /** Repeats at a new master what its predecessor may have acknowledged after it was replaced. Returns the number of tags. */
  async #repeatBumps(): Promise<number> {
    const recent = this.#recent.take(this.#host.now());
    for (const mode of ['purge', 'expire'] as const) {
      for (let from = 0; from < recent[mode].length; from += TAGS_PER_REPETITION)
        await this.#send(recent[mode].slice(from, from + TAGS_PER_REPETITION), mode);
    }
    return recent.purge.length + recent.expire.length;
  }

  #writeError(error: unknown): unknown {
    if (isDemotion(error)) this.connection.distrust(error);
    return writeError(error);
  }

  openBus(): Bus {
    return new RedisBus(this.connection);
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.connection.attach(host);
  }

  async acquire(key: string): Promise<Lease | undefined> {
    try {
      return await acquireLease(this.connection.executor, this.#host, key);
    } catch (error) {
      throw this.#writeError(error);
    }
  }

  /** State of the connection, which the heartbeat keeps up to date. */
  state(): StoreState {
    const { isReady, problem } = this.connection;
    const state = { waitingBumps: 0, timeouts: 0, errors: 0 };
    return isReady ? { status: 'up', ...state } : { status: 'down', reason: explain(problem), ...state };
  }

  ready(): Promise<void> {
    return this.connection.ready();
  }

  sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    return sweepKeys(this.connection.executor.masters(), this.connection.keyPrefix, prefix, drop, this.#host);
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

/** Takes a lease in Redis, and renews it while its holder lives; `undefined` where another process holds it. */
export async function acquireLease(
  executor: RedisExecutor,
  host: StoreHost,
  key: string,
): Promise<Lease | undefined> {
  const token = randomUUID();
  const [answer] = await executor.runAll([['set', key, token, 'PX', LEASE_MS, 'NX']]);
  if (answer !== 'OK') return undefined;
  let cancel = (): void => undefined;
  const renew = (): void => {
    cancel = host.after(LEASE_MS / 3, () => {
      executor.runAll([['eval', RENEW_SCRIPT, 1, key, token, LEASE_MS]]).catch(() => undefined);
      renew();
    });
  };
  renew();
  return {
    async release() {
      cancel();
      await executor.runAll([['eval', RELEASE_SCRIPT, 1, key, token]]).catch(() => undefined);
    },
  };
}

/** An absent tag has no current entry: it is not created. */
export function bumpCommand(tag: string, mode: InvalidationMode): RedisCommand {
  if (mode === 'purge') return ['set', tag, newGeneration(), 'PX', FLOOR_MS, 'XX'];
  return ['eval', EXPIRE_SCRIPT, 1, tag, newHalf()];
}
