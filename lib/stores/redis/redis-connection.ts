import { type StoreHost, UNATTACHED } from '../store.interface.js';
import { isCluster, type RedisClient, type RedisNode } from './redis-client.interface.js';
import { createExecutor, type RedisExecutor } from './redis-commands.js';
import {
  ConnectionLostError,
  DemotedError,
  isAnswer,
  isDemotion,
  isVague,
  unavailable,
} from './redis-failure.js';
import { readHistory, type RedisHistory } from './redis-history.js';
import { letProcessEnd, ProcessHold } from './process-hold.js';
import { RedisSentinels } from './redis-sentinels.js';
import { ServerClock } from './server-clock.js';

/** Time between reads of the history. Milliseconds. */
export const HEARTBEAT_MS = 1_000;

/** A connection that looks alive but has not answered for this long is half open. Milliseconds. */
export const SILENT_MS = 3 * HEARTBEAT_MS;

/** Longest pause between two reconnections away from a server that is not a master. Milliseconds. */
const MAX_LOOK_MS = 4_000;

export interface RedisConnectionOptions {
  /** Opens a client that the connection closes, or returns one of the application. */
  readonly open: () => RedisClient;
  /** True if the connection opens the client, and so must close it. */
  readonly owned: boolean;
  /** Milliseconds for which a process may not know of a new master; `false` where there are no failovers. */
  readonly grace: number | false;
}

/**
 * The connection of a store, and the history of Redis that it leads to. While it is down, or the history is unknown, reading the epoch
 * throws, and so does every operation that needs it. It opens when an application attaches, and can be attached again after it was closed.
 */
export class RedisConnection {
  /** Runs before anything is served in another history than the last one; where it fails, the history is read again. */
  beforeServing: () => Promise<number> = () => Promise.resolve(0);
  /** Measured with every reading of the history, so before anything is served. */
  readonly clock = new ServerClock();
  #client: RedisClient | undefined;
  #executor: RedisExecutor | undefined;
  #sentinels: RedisSentinels | undefined;
  #bulk: RedisNode | undefined;
  #hold: ProcessHold | undefined;
  #host: StoreHost = UNATTACHED;
  #epoch: string | undefined;
  /** Of the history that was served last, also while the connection is down. */
  #servedId: string | undefined;
  #servedEpoch = '';
  #problem: unknown = new ConnectionLostError('Redis is not connected');
  #isReported = false;
  /** Heartbeats in a row that found no history. */
  #beatsWithout = 0;
  /** Connections that were closed since the history was known. */
  #closures = 0;
  #hasFailedOver = false;
  /** Number of the reading in progress; an earlier one is outdated, and its result is dropped. */
  #reading = 0;
  #isReading = false;
  #answeredAt = 0;
  #lookAt = -Infinity;
  #lookPause = 0;
  #hasAdvised = false;
  #cancel: (() => void) | undefined;
  #cancelTurn: (() => void) | undefined;
  #waiting: (() => void)[] = [];
  readonly #epochListeners: (() => void)[] = [];

  constructor(private readonly options: RedisConnectionOptions) {}

  /** @throws StoreUnavailableError while Redis is not reached; its message is the cause */
  get epoch(): string {
    if (this.#epoch === undefined) throw unavailable(this.#problem);
    return this.#epoch;
  }

  get isReady(): boolean {
    return this.#epoch !== undefined;
  }

  /** The cause, while Redis is not reached. */
  get problem(): unknown {
    return this.#epoch === undefined ? this.#problem : undefined;
  }

  get executor(): RedisExecutor {
    return this.#executor ?? this.#open().executor;
  }

  /** A second connection, for values that others must not wait behind; on a Cluster the same. */
  get bulkExecutor(): RedisExecutor {
    const { client } = this;
    if (isCluster(client)) return this.executor;
    if (this.#bulk === undefined || this.#bulk.status === 'end') {
      this.#bulk = client.duplicate({ lazyConnect: false, enableOfflineQueue: true, retryStrategy: null });
      this.#bulk.on('error', () => undefined);
      letProcessEnd(this.#bulk);
    }
    return createExecutor(this.#bulk);
  }

  get client(): RedisClient {
    return this.#client ?? this.#open().client;
  }

  get keyPrefix(): string {
    return this.client.options.keyPrefix ?? '';
  }

  /** The history that is served, or was served last. An epoch is a part of it: until the end of its grace, and after it. */
  get history(): string {
    return this.#servedId ?? '';
  }

  /** @throws StoreUnavailableError where another history has begun since, or may have: an answer may belong to either */
  assertHistory(history: string): void {
    if (this.#epoch === undefined || this.history !== history)
      throw unavailable(new Error('Redis changed its history during a read'));
  }

  /** Calls a listener when another epoch begins. */
  onEpoch(listener: () => void): void {
    this.#epochListeners.push(listener);
  }

  /** Opens the connection, and resolves when the history is known. */
  ready(): Promise<void> {
    this.#open();
    if (this.isReady) return Promise.resolve();
    const known = new Promise<void>((resolve) => this.#waiting.push(resolve));
    // The boot waits for it although an idle connection lets the process end.
    void this.#hold?.during(
      Promise.race([known, new Promise((resolve) => setTimeout(resolve, 2_000).unref())]),
    );
    return known;
  }

  /** Called when Redis says that it is not a master: nothing is read until one is found. */
  distrust(error: unknown): void {
    if (this.#epoch === undefined) return;
    // A reading that is under way may have been answered before.
    this.#reading++;
    this.#isReading = false;
    this.#fail(error);
  }

  /** Opens the connection, and starts to read the history with every heartbeat. */
  attach(host: StoreHost): void {
    this.#host = host;
    this.#isReported = false;
    this.#open();
    this.#cancel?.();
    this.#answeredAt = host.now();
    const beat = (): void => {
      if (this.#client === undefined) return;
      this.#beat(host.now());
      this.#cancel = host.after(HEARTBEAT_MS, beat);
    };
    this.#cancel = host.after(HEARTBEAT_MS, beat);
  }

  #open(): { readonly client: RedisClient; readonly executor: RedisExecutor } {
    if (this.#client !== undefined) return { client: this.#client, executor: this.#executor! };
    const { owned, open, grace } = this.options;
    const client = open();
    let executor = createExecutor(client);
    if (owned) {
      this.#hold = new ProcessHold();
      executor = this.#hold.holding(executor);
      letProcessEnd(client);
    }
    this.#client = client;
    this.#executor = executor;
    this.#sentinels = grace === false ? undefined : RedisSentinels.of(client, grace);
    client.on('ready', this.#onReady);
    client.on('close', this.#onClose);
    for (const event of LOST) client.on(event, this.#onLost);
    client.on('error', this.#onError);
    if (client.status === 'ready') this.#onReady();
    // With `lazyConnect` it connects at the first command, which is never sent without an epoch.
    if (client.status === 'wait') client.connect().catch(() => undefined);
    return { client, executor };
  }

  #beat(now: number): void {
    const client = this.#client!;
    const { status } = client;
    if (!this.#isReading && this.#epoch !== undefined) this.#answeredAt = now;
    if (this.#isReading) this.#stop(new ConnectionLostError(SILENT));
    else if (status === 'ready') void this.#read();
    // A connection that was just lost may be back at once; if not, the next attempt to connect knows the cause.
    this.#beatsWithout = this.isReady ? 0 : this.#beatsWithout + 1;
    if (this.#beatsWithout >= VAGUE_BEATS) this.#reportOutage();
    if (now - this.#answeredAt < SILENT_MS || (status !== 'ready' && status !== 'connect')) return;
    this.#answeredAt = now;
    if (this.options.owned) client.disconnect(true);
  }

  async close(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    this.#cancel?.();
    this.#cancelTurn?.();
    this.#stop(new ConnectionLostError('the store is closed'));
    this.#client = undefined;
    this.#executor = undefined;
    this.#reading++;
    this.#isReading = false;
    this.#isReported = false;
    this.#closures = 0;
    this.#sentinels?.close();
    this.#bulk?.disconnect();
    this.#bulk = undefined;
    client.off('ready', this.#onReady);
    client.off('close', this.#onClose);
    for (const event of LOST) client.off(event, this.#onLost);
    if (this.options.owned) client.disconnect();
    else client.off('error', this.#onError);
    this.#hold?.close();
    this.#hold = undefined;
  }

  readonly #onReady = (): void => {
    void this.#read();
  };

  /** Earlier readings may belong to a history that is over. */
  readonly #onLost = (): void => {
    this.#reading++;
    this.#isReading = false;
    if (this.#epoch !== undefined || isVague(this.#problem))
      this.#stop(new ConnectionLostError(this.#servedId === undefined ? NEVER_ANSWERED : GONE));
  };

  /** A proxy in front of a Redis that is down takes each connection and closes it, so that no attempt to connect fails with a cause. */
  readonly #onClose = (): void => {
    this.#onLost();
    if (++this.#closures > 1) this.#reportOutage();
  };

  /** ioredis prints errors without a listener. */
  readonly #onError = (error: unknown): void => {
    if (this.#epoch !== undefined) return;
    this.#problem = error;
    this.#reportOutage();
  };

  async #read(): Promise<void> {
    const client = this.#client!;
    const reading = ++this.#reading;
    const isOutdated = (): boolean => reading !== this.#reading || client.status !== 'ready';
    this.#isReading = true;
    try {
      const [history] = await Promise.all([
        readHistory(this.#executor!, this.options.grace, this.#host.now),
        this.#sentinels?.check(this.#host.now()),
      ]);
      if (isOutdated()) return;
      if (this.#host.isManual !== true && this.clock.measure(...history.times)) this.#host.clockSet?.();
      if (this.#servedId !== undefined && this.#servedId !== history.id) {
        this.#stop(new ConnectionLostError('Redis changed its history'));
        const repeated = await this.beforeServing();
        if (isOutdated()) return;
        this.#reportHistory(repeated);
      }
      this.#serve(history);
    } catch (error) {
      if (!isOutdated()) this.#fail(error);
    } finally {
      if (reading === this.#reading) this.#isReading = false;
    }
  }

  #serve({ id, epoch, turnsIn }: RedisHistory): void {
    const hasTurned = this.#servedId === id && this.#servedEpoch !== epoch;
    const isOther = this.#servedEpoch !== epoch;
    const wasReady = this.isReady;
    this.#servedId = id;
    this.#servedEpoch = epoch;
    this.#epoch = epoch;
    this.#lookPause = 0;
    if (isOther) for (const listener of this.#epochListeners) listener();
    if (hasTurned && this.#hasFailedOver) this.#reportTurn();
    this.#cancelTurn?.();
    // At the end of the grace, not with the heartbeat after it.
    if (turnsIn !== undefined && turnsIn < 2 * HEARTBEAT_MS)
      this.#cancelTurn = this.#host.after(turnsIn + 1, () => void (this.isReady && this.#read()));
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (wasReady) return;
    this.#isReported = false;
    this.#beatsWithout = 0;
    this.#closures = 0;
    this.#host.changed?.('up');
  }

  /** Nothing is served or acknowledged until the history was read again. */
  #stop(problem: unknown): void {
    const isKnown = this.#epoch === undefined && !isVague(this.#problem);
    this.#epoch = undefined;
    if (!isKnown || !isVague(problem)) this.#problem = problem;
  }

  #fail(error: unknown): void {
    this.#stop(error);
    if (isVague(error) && !isCluster(this.client)) return;
    if (isAnswer(error) || error instanceof DemotedError) this.#answeredAt = this.#host.now();
    const client = this.#client;
    if (client?.status === 'ready') {
      if (isCluster(client)) client.refreshSlotsCache();
      else if (isDemotion(error)) this.#lookForMaster(client);
    }
    this.#reportOutage();
  }

  /** A demoted server keeps its connections: a new connection leads to the master. */
  #lookForMaster(client: RedisClient): void {
    const now = this.#host.now();
    if (now < this.#lookAt) return;
    this.#lookPause = Math.min(MAX_LOOK_MS, Math.max(250, 2 * this.#lookPause));
    this.#lookAt = now + this.#lookPause;
    if (this.options.owned || typeof client.options.retryStrategy === 'function')
      return client.disconnect(true);
    if (this.#hasAdvised) return;
    this.#hasAdvised = true;
    this.#host.log(
      'The client of redisStore() is connected to a replica and has no retryStrategy, so the store stays down. Write ' +
        'new Redis({ …, retryStrategy: (times) => Math.min(100 * times, 2000) }).',
    );
  }

  /** Reports the outage, once. */
  #reportOutage(): void {
    if (this.isReady || this.#isReported) return;
    this.#isReported = true;
    this.#host.changed?.('down', unavailable(this.#problem));
  }

  #reportHistory(repeated: number): void {
    this.#hasFailedOver = true;
    this.#host.log(
      'The redis store found another history of Redis (a failover, a restart or an old dump): it serves no entry from before, and ' +
        `has repeated ${repeated} of its recent invalidations.`,
    );
  }

  #reportTurn(): void {
    this.#hasFailedOver = false;
    this.#host.log(
      'The redis store serves no entry any more that was cached right after the failover: the grace in which a process may have used ' +
        'the old master is over.',
    );
  }
}

const NEVER_ANSWERED = 'Redis closes the connection before it answers. A port with TLS needs rediss://';

const GONE = 'the connection to Redis was lost';

const SILENT = 'Redis did not answer the last heartbeat';

/** An outage whose cause is not known after so many heartbeats is reported without it. */
const VAGUE_BEATS = 3;

const LOST = ['end', 'reconnecting', '-node', '+node'] as const;
