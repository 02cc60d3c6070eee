import type { StoreHost } from '../store-host.js';
import { isCluster, type RedisClient } from './redis-client.interface.js';
import { createExecutor, type RedisExecutor } from './redis-commands.js';
import { readEpoch } from './redis-epoch.js';

/** How often the epoch is read again, in milliseconds. */
export const HEARTBEAT_MS = 1_000;

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
  }

  /** @throws Error while Redis is not reached */
  get epoch(): string {
    if (this.#epoch === undefined) throw new Error('Redis is not connected');
    return this.#epoch;
  }

  get isReady(): boolean {
    return this.#epoch !== undefined;
  }

  /** Resolves when the epoch was read for the first time. */
  ready(): Promise<void> {
    return this.#known;
  }

  /** Begins to read the epoch with every heartbeat. */
  attach(host: StoreHost): void {
    this.#cancel?.();
    const beat = (): void => {
      if (this.#closed) return;
      if (this.client.status === 'ready') void this.#read();
      this.#cancel = host.after(HEARTBEAT_MS, beat);
    };
    this.#cancel = host.after(HEARTBEAT_MS, beat);
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
    try {
      const epoch = await readEpoch(this.executor);
      if (this.#closed || this.client.status !== 'ready') return;
      this.#epoch = epoch;
      this.#markKnown();
    } catch {
      this.#epoch = undefined;
      // A server that was demoted keeps its connections: a new one finds the master.
      if (this.owned && !isCluster(this.client) && this.client.status === 'ready')
        this.client.disconnect(true);
    }
  }
}

const LOST = ['close', 'end', 'reconnecting', '-node', '+node'] as const;

/** ioredis prints errors that nobody listens to; the store reports its state itself. */
const IGNORED = (): void => undefined;
