import { LRUCache } from 'lru-cache';
import type { Entry } from '../entry.js';
import { decodeEntry, encodeEntry, splitGeneration, type DecodedEntry } from '../entry-codec.js';
import {
  IDLE_MS,
  judgeStamp,
  newGeneration,
  newHalf,
  parseGeneration,
  physicalLife,
} from '../shared-generations.js';
import { Stamp, type Generation, type Verdict } from '../stamp.js';
import type { CacheStore, InvalidationMode, StoreQuery } from '../store.interface.js';
import type { Bus } from '../bus.interface.js';
import { StoreUnavailableError, UNATTACHED, type StoreHost } from '../store-host.js';
import type { Lease } from '../lease.interface.js';
import { acquireLease } from './redis-lease.js';
import { BUS_CHANNEL, bumpMessage, RedisBus } from './redis-bus.js';
import type { RedisConnection } from './redis-connection.js';
import type { RedisCommand } from './redis-commands.js';
import { isDemotion, readError, writeError } from './redis-errors.js';
import { sweepKeys } from './redis-sweep.js';

/** Keys whose entries carried more tags than their arguments tell; the others are asked for along with them. */
const MAX_HINTS = 10_000;

/** Renews the soft half of a generation in one atomic step; a missing one stays missing. */
const EXPIRE_SCRIPT = `
local g = redis.call('GET', KEYS[1])
if not g then return 0 end
local dot = string.find(g, '.', 1, true)
if not dot then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.sub(g, 1, dot) .. ARGV[1], 'KEEPTTL')
return 1`;

/** Entries and generations in Redis, or a Redis Cluster. */
export class RedisStore implements CacheStore {
  readonly kind = 'redis';
  readonly keepsReferences = false;
  #host: StoreHost = UNATTACHED;
  readonly #hints = new LRUCache<string, readonly string[]>({ max: MAX_HINTS });

  constructor(private readonly connection: RedisConnection) {}

  async get(query: StoreQuery): Promise<Entry | Stamp> {
    const own = query.tags();
    const hinted = this.#hints.get(query.key);
    const tags = hinted === undefined ? own : [...own, ...hinted];
    const { epoch, values } = await this.#read([query.key, ...tags]);
    const bytes = values[0];
    const decoded = bytes == null ? undefined : decodeEntry(bytes);
    if (decoded !== undefined && decoded.stamp.epoch === epoch) {
      const verdict = isUnchanged(decoded, tags, values)
        ? 'current'
        : await this.#judgeRead(query, decoded.stamp, own, tags, values.slice(1));
      if (verdict !== 'purged') {
        const entry = open(decoded, query);
        if (entry !== undefined) {
          entry.expired = verdict === 'expired';
          return entry;
        }
      }
    }
    return this.#complete(epoch, own, values.slice(1, own.length + 1));
  }

  /** Compares an entry's stamp with what was read; tags nobody asked for cost a second wait, once. */
  async #judgeRead(
    query: StoreQuery,
    stamp: Stamp,
    own: readonly string[],
    tags: readonly string[],
    read: readonly (Buffer | null)[],
  ): Promise<Verdict> {
    // A build whose entries did not carry the tag yet wrote it: a bump of the tag would not end it.
    if (own.some((tag) => !stamp.tags.includes(tag))) return 'purged';
    const current = new Map<string, Buffer | null>();
    tags.forEach((tag, i) => current.set(tag, read[i]!));
    const unasked = stamp.tags.filter((tag) => !current.has(tag));
    if (unasked.length > 0) {
      this.#hints.set(query.key, [...(this.#hints.get(query.key) ?? []), ...unasked]);
      const more = await this.#read(unasked);
      if (more.epoch !== stamp.epoch) return 'purged';
      unasked.forEach((tag, i) => current.set(tag, more.values[i]!));
    }
    return judgeStamp(stamp, (tag) => current.get(tag)?.toString('latin1'));
  }

  async stamp(tags: readonly string[]): Promise<Stamp> {
    const { epoch, values } = await this.#read(tags);
    return this.#complete(epoch, tags, values);
  }

  /** @throws StoreUnavailableError, also when the connection was lost meanwhile: the answer may be of another history */
  async #read(
    keys: readonly string[],
  ): Promise<{ readonly epoch: string; readonly values: readonly (Buffer | null)[] }> {
    const { epoch } = this.connection;
    let values: (Buffer | null)[];
    try {
      values = await this.connection.executor.readMany(keys);
    } catch (error) {
      throw readError(error);
    }
    if (this.connection.epoch !== epoch)
      throw new StoreUnavailableError('Redis changed its history during a read');
    return { epoch, values };
  }

  /** @throws StoreUnavailableError */
  async #write(commands: readonly RedisCommand[]): Promise<unknown[]> {
    try {
      return await this.connection.executor.runAll(commands);
    } catch (error) {
      throw this.#writeError(error);
    }
  }

  /** A stamp of what was read; absent generations are created, and whoever was first is believed. */
  async #complete(epoch: string, tags: readonly string[], read: readonly (Buffer | null)[]): Promise<Stamp> {
    const generations = read.map((bytes) => parseGeneration(bytes?.toString('latin1')));
    const absent = tags.filter((_, i) => generations[i] === undefined);
    if (absent.length > 0) {
      const commands = absent.flatMap((tag): RedisCommand[] => [
        // An unreadable one is in the way of NX; it is missing, so it is written over.
        read[tags.indexOf(tag)] === null
          ? ['set', tag, newGeneration(), 'PX', IDLE_MS, 'NX']
          : ['set', tag, newGeneration(), 'PX', IDLE_MS],
        ['get', tag],
      ]);
      const replies = await this.#write(commands);
      absent.forEach((tag, i) => {
        // Gone already (Redis is full): what is loaded under one that nobody else knows is never served.
        const created = parseGeneration(replies[2 * i + 1] as string | null);
        generations[tags.indexOf(tag)] = created ?? splitGeneration(newGeneration());
      });
    }
    return new Stamp(epoch, tags, generations as Generation[]);
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    const { epoch, values } = await this.#read(stamp.tags);
    if (stamp.epoch !== epoch) return 'purged';
    const current = new Map(stamp.tags.map((tag, i) => [tag, values[i]!] as const));
    return judgeStamp(stamp, (tag) => current.get(tag)?.toString('latin1'));
  }

  async set(query: StoreQuery, entry: Entry): Promise<void> {
    // Written under another history, it would be dead.
    if (entry.stamp.epoch !== this.connection.epoch) return;
    const life = physicalLife(entry);
    await this.#write([
      ['set', query.key, encodeEntry(entry, query.values), 'PX', life.entry],
      ...entry.stamp.tags.map((tag): RedisCommand => ['pexpire', tag, life.generations]),
    ]);
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    const commands = tags.map((tag) => bumpCommand(tag, mode));
    try {
      // Processes without a bus of their own publish too: others may have one.
      await this.connection.executor.publish(BUS_CHANNEL, bumpMessage(tags, mode), commands);
    } catch (error) {
      throw this.#writeError(error);
    }
  }

  #writeError(error: unknown): unknown {
    if (isDemotion(error)) this.connection.distrust();
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

  ready(): Promise<void> {
    return this.connection.ready();
  }

  sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    return sweepKeys(this.connection.executor.masters(), this.connection.keyPrefix, prefix, drop);
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

/** The common case, in which an entry carries the tags that were asked for, in their order, and none was bumped. */
function isUnchanged(
  { stamp, generations }: DecodedEntry,
  tags: readonly string[],
  values: readonly (Buffer | null)[],
): boolean {
  if (stamp.tags.length !== tags.length) return false;
  for (let i = 0; i < tags.length; i++) {
    if (stamp.tags[i] !== tags[i] || values[i + 1]?.toString('latin1') !== generations[i]) return false;
  }
  return true;
}

/** A tag that is absent has no live entry: it is not created. */
export function bumpCommand(tag: string, mode: InvalidationMode): RedisCommand {
  if (mode === 'purge') return ['set', tag, newGeneration(), 'PX', IDLE_MS, 'XX'];
  return ['eval', EXPIRE_SCRIPT, 1, tag, newHalf()];
}

/** Data that cannot be brought back, e.g. an instance of a class unknown here, is a miss. */
function open(decoded: DecodedEntry, query: StoreQuery): Entry | undefined {
  try {
    return decoded.open(query.values);
  } catch {
    return undefined;
  }
}
