import { within } from '../../common/async.js';
import { type DecodedEntry, decodeEntry } from '../entry-codec.js';
import { judgeStamp, parseGeneration } from '../shared-generations.js';
import type { Generation } from '../stamp.js';
import { type Entry, type StoreHost, type StoreQuery, StoreTimeoutError } from '../store.interface.js';
import { isCluster, type RedisClient, type RedisCluster, type RedisNode } from './redis-client.interface.js';

/** A Redis command with its arguments. */
export type RedisCommand = readonly [name: string, ...args: (string | number | Buffer)[]];

/**
 * The same operations on one Redis and on a Cluster: on one Redis a pipeline or MGET; on a Cluster one command for each slot, all sent
 * together, in one write for each node. No command touches two slots.
 */
export interface RedisExecutor {
  /** Reads many keys in one network wait. */
  readMany(keys: readonly string[]): Promise<(Buffer | null)[]>;
  /** Runs commands that have one key each, in one network wait; rejects where one fails. */
  runAll(commands: readonly RedisCommand[]): Promise<unknown[]>;
  /**
   * The servers that hold data.
   * @throws Error when not all of them are known
   */
  masters(): readonly RedisNode[];
  /** The server that a channel's messages go through, which keeps their order. */
  channelNode(channel: string): RedisNode;
  /**
   * Publishes there after the effect of these commands, so that receivers of the message see it.
   * @param before commands that have their effect before all others
   */
  publish(
    channel: string,
    message: string,
    after?: readonly RedisCommand[],
    before?: readonly RedisCommand[],
  ): Promise<unknown>;
}

export function createExecutor(client: RedisClient): RedisExecutor {
  return isCluster(client)
    ? new ClusterExecutor(client, client.options.keyPrefix ?? '')
    : new NodeExecutor(client);
}

class NodeExecutor implements RedisExecutor {
  constructor(private readonly client: RedisNode) {}

  readMany(keys: readonly string[]): Promise<(Buffer | null)[]> {
    gatherWrites(this.client);
    return this.client.mgetBuffer(...keys);
  }

  async runAll(commands: readonly RedisCommand[]): Promise<unknown[]> {
    const pipeline = this.client.pipeline();
    for (const [name, ...args] of commands) pipeline[name]!(...args);
    const replies = (await pipeline.exec()) ?? [];
    const failed = replies.find(([error]) => error !== null);
    if (failed !== undefined) throw failed[0]!;
    return replies.map(([, result]) => result);
  }

  masters(): readonly RedisNode[] {
    return [this.client];
  }

  channelNode(): RedisNode {
    return this.client;
  }

  publish(
    channel: string,
    message: string,
    after: readonly RedisCommand[] = [],
    before: readonly RedisCommand[] = [],
  ): Promise<unknown> {
    return this.runAll([...before, ...after, ['publish', channel, message]]);
  }
}

/** Sends all commands of one turn of the event loop in one write: system calls are most of the cost of a hit. */
function gatherWrites({ stream }: RedisNode): void {
  if (stream === undefined || stream === null || stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

/** The channel is passed as a key, so that only the node of its slot runs the command. */
const PUBLISH_SCRIPT = `return redis.call('PUBLISH', ARGV[1], ARGV[2])`;

class ClusterExecutor implements RedisExecutor {
  constructor(
    private readonly client: RedisCluster,
    private readonly keyPrefix: string,
  ) {}

  async readMany(keys: readonly string[]): Promise<(Buffer | null)[]> {
    const bySlot = new Map<number, number[]>();
    keys.forEach((key, i) => {
      const slot = slotOf(this.keyPrefix + key);
      const group = bySlot.get(slot);
      if (group === undefined) bySlot.set(slot, [i]);
      else group.push(i);
    });
    const replies = new Array<Buffer | null>(keys.length);
    this.#gatherWrites();
    await Promise.all(
      [...bySlot.values()].map(async (group) => {
        const values = await this.client.mgetBuffer(...group.map((i) => keys[i]!));
        group.forEach((i, at) => (replies[i] = values[at]!));
      }),
    );
    return replies;
  }

  runAll(commands: readonly RedisCommand[]): Promise<unknown[]> {
    const client = this.client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    this.#gatherWrites();
    return Promise.all(commands.map(([name, ...args]) => client[name]!(...args)));
  }

  #gatherWrites(): void {
    for (const node of this.client.nodes('master')) gatherWrites(node);
  }

  masters(): readonly RedisNode[] {
    const owners = new Set<string>();
    for (let slot = 0; slot < SLOTS; slot++) owners.add(this.#ownerOf(slot));
    return [...owners].map((owner) => this.#node(owner));
  }

  /**
   * A Cluster forwards messages between its nodes over links that may break and reconnect: then a message of another node is lost while
   * a later one arrives. So all messages go through one node.
   */
  channelNode(channel: string): RedisNode {
    return this.#node(this.#ownerOf(slotOf(this.keyPrefix + channel)));
  }

  async publish(
    channel: string,
    message: string,
    after: readonly RedisCommand[] = [],
    before: readonly RedisCommand[] = [],
  ): Promise<unknown> {
    if (before.length > 0) await this.runAll(before);
    // They go to other nodes: sent together with the message, they could take effect after it.
    await this.runAll(after);
    return this.client.eval(PUBLISH_SCRIPT, 1, channel, channel, message);
  }

  #ownerOf(slot: number): string {
    const owner = this.client.slots[slot]?.[0];
    if (owner === undefined) throw new Error(`no node of the Cluster owns slot ${slot}`);
    return owner;
  }

  /** For a lost node, the slots are read again at once, not with the next regular refresh. */
  #node(owner: string): RedisNode {
    const { client } = this;
    const node = client.nodes('master').find(({ options: { host, port } }) => `${host}:${port}` === owner);
    if (node !== undefined) return node;
    client.refreshSlotsCache();
    throw new Error(`the Cluster's node ${owner} is not connected`);
  }
}

const SLOTS = 16_384;

/**
 * The slot of a key: CRC16 of its hash tag, or of the whole key (Redis Cluster specification, "Hash tags"). Package cluster-key-slot 1.1.1,
 * which ioredis loads, has no types and computes another slot for `foo{}{bar}` than the specification.
 */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS;
}

const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) crc = ((crc << 8) ^ CRC16[((crc >> 8) ^ byte) & 0xff]!) & 0xffff;
  return crc;
}

/** A stored entry of the current history that carries every tag of its key; its tags must still be judged. */
export interface Candidate {
  readonly query: StoreQuery;
  readonly decoded: DecodedEntry;
}

/** Values of keys and tags, as Redis returned them in one history. */
export class RedisReading {
  readonly #values = new Map<string, Buffer | null>();

  constructor(
    readonly epoch: string,
    readonly history: string,
    /** Milliseconds that the clock of Redis is ahead of that of this process. */
    private readonly ahead: number,
    names: readonly string[],
    values: readonly (Buffer | null)[],
  ) {
    this.add(names, values);
  }

  add(names: readonly string[], values: readonly (Buffer | null)[]): void {
    names.forEach((name, i) => this.#values.set(name, values[i]!));
  }

  /** True if the name was read. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** True if the name has a value. */
  isPresent(name: string): boolean {
    return this.#values.get(name) != null;
  }

  /** @returns `undefined` for a missing or unreadable generation */
  generation(tag: string): Generation | undefined {
    return parseGeneration(this.#text(tag));
  }

  /** An entry that lacks a tag of its key was written by a build without that tag, so that bumps of the tag would not end it: a miss. */
  candidate(query: StoreQuery): Candidate | undefined {
    const decoded = decodeOf(this.#values.get(query.key), this.epoch);
    if (decoded === undefined) return undefined;
    const { tags } = decoded.stamp;
    return query.tags().every((tag) => tags.includes(tag)) ? { query, decoded } : undefined;
  }

  /** The entry of a candidate, unless it was purged. All its tags must have been read. */
  open({ query, decoded }: Candidate): Entry | undefined {
    const verdict = judgeStamp(decoded.stamp, (tag) => this.#text(tag));
    const entry = verdict === 'purged' ? undefined : open(decoded, query, this.ahead);
    if (entry !== undefined) entry.expired = verdict === 'expired';
    return entry;
  }

  #text(tag: string): string | undefined {
    return this.#values.get(tag)?.toString('latin1');
  }
}

/**
 * The entry in the common case: it carries exactly the given tags, in their order, and none was bumped.
 *
 * @param values of the key, and then of the tags
 * @param ahead milliseconds that the clock of Redis is ahead of that of this process
 */
export function openUnchanged(
  query: StoreQuery,
  epoch: string,
  tags: readonly string[],
  values: readonly (Buffer | null)[],
  ahead: number,
): Entry | undefined {
  const decoded = decodeOf(values[0], epoch);
  if (decoded?.stamp.tags.length !== tags.length) return undefined;
  const { stamp, generations } = decoded;
  for (let i = 0; i < tags.length; i++) {
    if (stamp.tags[i] !== tags[i] || values[i + 1]?.toString('latin1') !== generations[i]) return undefined;
  }
  return open(decoded, query, ahead);
}

function decodeOf(bytes: Buffer | null | undefined, epoch: string): DecodedEntry | undefined {
  const decoded = bytes == null ? undefined : decodeEntry(bytes);
  return decoded?.stamp.epoch === epoch ? decoded : undefined;
}

/** A value that cannot be decoded, e.g. an instance of an unknown class, is a miss. */
function open(decoded: DecodedEntry, query: StoreQuery, ahead: number): Entry | undefined {
  try {
    return decoded.open(query.values, ahead);
  } catch {
    return undefined;
  }
}

const BATCH = 500;

/** Timeout of one batch, in milliseconds. */
const BATCH_MS = 5_000;

/**
 * Unlinks keys that begin with a prefix and for which `drop` returns true, in batches. Only `clear()` and `deletePreviousVersions()` scan, for
 * keys that are unreachable already.
 * @throws StoreTimeoutError when a batch takes too long
 */
export async function sweepKeys(
  nodes: readonly RedisNode[],
  keyPrefix: string,
  prefix: string,
  drop: (key: string) => boolean,
  host: StoreHost,
): Promise<void> {
  const answered = <T>(batch: Promise<T>): Promise<T> =>
    within(host, BATCH_MS, batch, () => {
      throw new StoreTimeoutError('redis', BATCH_MS);
    });
  const pattern = `${escapeGlob(keyPrefix + prefix)}*`;
  for (const node of nodes) {
    let cursor = '0';
    do {
      const [next, found] = await answered(node.scan(cursor, 'MATCH', pattern, 'COUNT', BATCH));
      cursor = next;
      const keys = found.filter((key) => drop(key.slice(keyPrefix.length)));
      // Nodes of a Cluster do not add the key prefix themselves. One key for each command: a node holds many slots.
      const known = node.options.keyPrefix?.length ?? 0;
      await answered(Promise.all(keys.map((key) => node.unlink(key.slice(known)))));
    } while (cursor !== '0');
  }
}

/** Glob characters of a namespace match themselves. */
function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&');
}
