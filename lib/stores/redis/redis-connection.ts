import { messageOf } from '../../common/messages.js';
import { type StoreHost, StoreRefusedError, StoreUnavailableError } from '../store.interface.js';
import { isCluster, type RedisClient, type RedisNode } from './redis-client.interface.js';
import { createExecutor, type RedisExecutor } from './redis-commands.js';

/**
 * Reads which history of Redis we are in: the replication ids of its masters. A restart from an old dump, a promoted
 * replica and a failback each begin a new one, and end the life of every entry before it.
 *
 * @throws Error when a server is no master: generations are read from masters only
 */
export async function readEpoch(executor: RedisExecutor): Promise<string> {
  const masters = executor.masters();
  if (masters.length === 0) throw new Error('no Redis master is known');
  const ids = await Promise.all(masters.map(replicationId));
  return ids.sort().join('+');
}

async function replicationId(node: RedisNode): Promise<string> {
  const info = await node.info('replication');
  const role = /^role:(\w+)/m.exec(info)?.[1];
  const id = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (role !== 'master' || id === undefined)
    throw new Error(`a Redis server is ${role ?? 'of no role'}, not a master`);
  return id;
}

/** How often the epoch is read again, in milliseconds. */
export const HEARTBEAT_MS = 1_000;

/** A connection that looks alive and answers nothing for so long leads nowhere (half open). Milliseconds. */
export const SILENT_MS = 3 * HEARTBEAT_MS;

/**
 * The connection of a store, and which history of Redis it leads to. While it is down, or the history is not known,
 * reading the epoch throws, and so does everything that needs one.
 */
export class RedisConnection {
  readonly executor: RedisExecutor;
  readonly keyPrefix: string;
  #epoch: string | undefined;
  #markKnown: () => void = () => undefined;
  readonly #known = new Promise<void>((resolve) => (this.#markKnown = resolve));
  #cancel: (() => void) | undefined;
  #closed = false;
  #isReading = false;
  #answeredAt = 0;

  constructor(
    readonly client: RedisClient,
    /** Whether the store made the client, and so has to end it. */
    private readonly owned: boolean,
  ) {
    this.executor = createExecutor(client);
    this.keyPrefix = client.options.keyPrefix ?? '';
    client.on('ready', this.#onReady);
    for (const event of LOST) client.on(event, this.#onLost);
    client.on('error', IGNORED);
    if (client.status === 'ready') this.#onReady();
    // With `lazyConnect` it waits for somebody to ask: without a history nobody would.
    if (client.status === 'wait') client.connect().catch(IGNORED);
  }

  /** @throws StoreUnavailableError while Redis is not reached */
  get epoch(): string {
    if (this.#epoch === undefined) throw new StoreUnavailableError('Redis is not connected');
    return this.#epoch;
  }

  get isReady(): boolean {
    return this.#epoch !== undefined;
  }

  /** Resolves when the epoch was read for the first time. */
  ready(): Promise<void> {
    return this.#known;
  }

  /** Redis said that it is no master: nothing is believed until one is found. */
  distrust(): void {
    if (this.#epoch === undefined) return;
    this.#epoch = undefined;
    this.#lookForMasters();
  }

  /** Begins to read the epoch with every heartbeat. */
  attach(host: StoreHost): void {
    this.#cancel?.();
    this.#answeredAt = host.now();
    const beat = (): void => {
      if (this.#closed) return;
      this.#beat(host.now());
      this.#cancel = host.after(HEARTBEAT_MS, beat);
    };
    this.#cancel = host.after(HEARTBEAT_MS, beat);
  }

  #beat(now: number): void {
    const { status } = this.client;
    if (!this.#isReading && this.#epoch !== undefined) this.#answeredAt = now;
    if (this.#isReading) this.#epoch = undefined;
    else if (status === 'ready') void this.#read();
    if (now - this.#answeredAt < SILENT_MS || (status !== 'ready' && status !== 'connect')) return;
    this.#answeredAt = now;
    if (this.owned) this.client.disconnect(true);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    this.#epoch = undefined;
    this.client.off('ready', this.#onReady);
    for (const event of LOST) this.client.off(event, this.#onLost);
    if (this.owned) this.client.disconnect();
    else this.client.off('error', IGNORED);
  }

  readonly #onReady = (): void => {
    void this.#read();
  };

  /** What was read before may be of a history that is over. */
  readonly #onLost = (): void => {
    this.#epoch = undefined;
  };

  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      const epoch = await readEpoch(this.executor);
      if (this.#closed || this.client.status !== 'ready') return;
      this.#epoch = epoch;
      this.#markKnown();
    } catch {
      this.#epoch = undefined;
      if (this.client.status === 'ready') this.#lookForMasters();
    } finally {
      this.#isReading = false;
    }
  }

  /** A server that was demoted keeps its connections: a new one, or another look at the Cluster, finds the master. */
  #lookForMasters(): void {
    if (isCluster(this.client)) this.client.refreshSlotsCache();
    else if (this.owned) this.client.disconnect(true);
  }
}

const LOST = ['close', 'end', 'reconnecting', '-node', '+node'] as const;

/** ioredis prints errors that nobody listens to; the store reports its state itself. */
const IGNORED = (): void => undefined;

/** What a Redis answers that cannot be asked now: it loads its data, is no master, or lost its Cluster. */
const NOT_NOW = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|READONLY)\b/;

/** Whether Redis says that it is no master: what is read from it may be old. */
export function isDemotion(error: unknown): boolean {
  return isAnswer(error) && error.message.startsWith('READONLY');
}

/**
 * Why a read failed. Without an answer, or where Redis says it cannot answer now, it is not available; any other answer
 * (e.g. NOPERM, WRONGTYPE) is something that somebody has to repair, and goes on as it is.
 */
export function readError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message) ? error : unavailable(error);
}

/** Why a write failed: Redis refused it (it is read-only, full, or misses its replicas), or did not answer. */
export function writeError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message)
    ? new StoreRefusedError(error.message, { cause: error })
    : unavailable(error);
}

/** ioredis tells an error that Redis answered from its own by the name. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function unavailable(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  return new StoreUnavailableError(messageOf(error), { cause: error });
}
