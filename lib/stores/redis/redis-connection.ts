import { messageOf } from '../../common/messages.js';
import { type StoreHost, StoreRefusedError, StoreUnavailableError } from '../store.interface.js';
import { isCluster, type RedisClient, type RedisNode } from './redis-client.interface.js';
import { createExecutor, type RedisExecutor } from './redis-commands.js';

/** Time between reads of the epoch. Milliseconds. */
export const HEARTBEAT_MS = 1_000;

/** A connection that looks alive but has not answered for this long is half open. Milliseconds. */
export const SILENT_MS = 3 * HEARTBEAT_MS;

/**
 * The connection of a store, and the history of Redis that it leads to. While it is down, or the history is unknown, reading the epoch
 * throws, and so does every operation that needs it.
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
    /** True if the store created the client, and so must close it. */
    private readonly owned: boolean,
  ) {
    this.executor = createExecutor(client);
    this.keyPrefix = client.options.keyPrefix ?? '';
    client.on('ready', this.#onReady);
    for (const event of LOST) client.on(event, this.#onLost);
    client.on('error', IGNORED);
    if (client.status === 'ready') this.#onReady();
    // With `lazyConnect` it connects at the first command, which is never sent without an epoch.
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

  /** Called when Redis reports that it is not a master: nothing is read until a master is found. */
  distrust(): void {
    if (this.#epoch === undefined) return;
    this.#epoch = undefined;
    this.#lookForMasters();
  }

  /** Starts to read the epoch with every heartbeat. */
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

  /** Earlier readings may belong to a history that is over. */
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

  /** A demoted server keeps its connections: a new connection, or new slots of the Cluster, lead to the master. */
  #lookForMasters(): void {
    if (isCluster(this.client)) this.client.refreshSlotsCache();
    else if (this.owned) this.client.disconnect(true);
  }
}

/**
 * Reads the epoch, which identifies the history of Redis: the replication ids of its masters. A restart from an old dump, a promoted
 * replica and a failback each begin a new history, after which no earlier entry is served.
 *
 * @throws Error where a server is not a master: generations are read from masters only
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
    throw new Error(`a Redis server has the role ${role ?? 'unknown'}, not master`);
  return id;
}

const LOST = ['close', 'end', 'reconnecting', '-node', '+node'] as const;

/** ioredis prints errors without a listener; the store reports its state itself. */
const IGNORED = (): void => undefined;

/** Errors of a Redis that cannot answer now: it loads its data, is not a master, or lost its Cluster. */
const NOT_NOW = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|READONLY)\b/;

/** True if Redis says that it is not a master: values read from it may be outdated. */
export function isDemotion(error: unknown): boolean {
  return isAnswer(error) && error.message.startsWith('READONLY');
}

/**
 * The error of a failed read. Without an answer, or where Redis cannot answer now, the store is unavailable; any other answer (e.g. NOPERM,
 * WRONGTYPE) is an error that somebody must repair, and is passed on unchanged.
 */
export function readError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message) ? error : unavailable(error);
}

/** The error of a failed write: Redis refused it (it is read-only, full, or lacks replicas), or did not answer. */
export function writeError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message)
    ? new StoreRefusedError(error.message, { cause: error })
    : unavailable(error);
}

/** ioredis distinguishes errors that Redis returned from its own by their name. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function unavailable(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  return new StoreUnavailableError(messageOf(error), { cause: error });
}
