import { randomUUID } from 'node:crypto';
import type { Bus, InvalidationMode, StoreHost } from '../store.interface.js';
import { letProcessEnd } from './process-hold.js';
import type { RedisNode } from './redis-client.interface.js';
import { HEARTBEAT_MS, SILENT_MS, type RedisConnection } from './redis-connection.js';

/** Shared by all stores on one Redis: tags contain their namespace. */
export const BUS_CHANNEL = 'restflow:bus';

/** Several pings in each heartbeat, so that one late ping does not end the trust. */
const PING_MS = HEARTBEAT_MS / 3;

type Message =
  | { readonly ping: string; readonly sentAt: number }
  | { readonly tags: readonly string[]; readonly mode: InvalidationMode };

/** A bump as it is published. */
export function bumpMessage(tags: readonly string[], mode: InvalidationMode): string {
  return JSON.stringify({ tags, mode } satisfies Message);
}

/**
 * The bus over Redis pub/sub. A connection that looks alive may be half open, so each process sends pings to itself: messages that were
 * published before a returned ping have arrived. The bus is trusted for one heartbeat after that ping was sent. It subscribes at the node
 * where all processes publish, and reconnects by itself: ioredis would choose another node of a Cluster, and would not report missed messages.
 */
export class RedisBus implements Bus {
  readonly #id = randomUUID();
  #subscriber: RedisNode | undefined;
  /** The node of the subscriber. */
  #node: RedisNode | undefined;
  #host: StoreHost | undefined;
  #trusted: { readonly from: number; readonly until: number } = NEVER;
  #heardAt = 0;
  #lag: number | undefined;
  #cancel: (() => void) | undefined;
  #onBump: (tags: readonly string[], mode: InvalidationMode) => void = () => undefined;
  #onReset: () => void = () => undefined;

  constructor(private readonly connection: RedisConnection) {
    // The subscriber may still be connected to the old master.
    connection.onEpoch(() => {
      this.#drop();
      if (this.#host !== undefined) this.#beat(this.#host.now());
    });
  }

  isTrusted(): boolean {
    const now = this.#host?.now() ?? 0;
    // Before `from`: the clock was set back.
    return now >= this.#trusted.from && now < this.#trusted.until;
  }

  lag(): number | undefined {
    return this.#lag;
  }

  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void {
    this.#onBump = onBump;
    this.#onReset = onReset;
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.#cancel?.();
    const beat = (): void => {
      this.#beat(host.now());
      this.#cancel = host.after(PING_MS, beat);
    };
    beat();
  }

  async close(): Promise<void> {
    this.#cancel?.();
    this.#host = undefined;
    this.#drop();
  }

  #beat(now: number): void {
    const { executor, isReady } = this.connection;
    if (!isReady) return;
    try {
      const node = executor.channelNode(BUS_CHANNEL);
      if (this.#node !== node || now - this.#heardAt > SILENT_MS) this.#connect(node, now);
      const ping: Message = { ping: this.#id, sentAt: now };
      executor.publish(BUS_CHANNEL, JSON.stringify(ping)).catch(() => undefined);
    } catch {
      // The node is unknown now. The next beat tries again; until a ping returns, the bus is not trusted.
    }
  }

  #connect(node: RedisNode, now: number): void {
    this.#drop();
    const subscriber = node.duplicate({
      lazyConnect: false,
      enableOfflineQueue: true,
      autoResubscribe: false,
      retryStrategy: null,
    });
    this.#node = node;
    this.#subscriber = subscriber;
    this.#heardAt = now;
    const lost = (): void => {
      if (this.#subscriber === subscriber) this.#drop();
    };
    letProcessEnd(subscriber);
    subscriber.on('error', () => undefined);
    for (const event of ['close', 'end']) subscriber.on(event, lost);
    subscriber.on('message', (_channel: string, text: string) => {
      if (this.#subscriber === subscriber) this.#receive(text, this.#host?.now() ?? 0);
    });
    subscriber.subscribe(BUS_CHANNEL).then(() => {
      // Entries that were read before may have missed a message.
      if (this.#subscriber === subscriber) this.#distrust();
    }, lost);
  }

  #drop(): void {
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    this.#node = undefined;
    this.#distrust();
    subscriber?.disconnect();
  }

  #distrust(): void {
    this.#trusted = NEVER;
    this.#onReset();
  }

  #receive(text: string, now: number): void {
    const message = parse(text);
    if (message === undefined) return this.#onReset();
    if ('tags' in message) return this.#onBump(message.tags, message.mode);
    if (message.ping !== this.#id) return;
    this.#heardAt = now;
    this.#lag = Math.max(0, now - message.sentAt) / 1000;
    this.#trusted = { from: message.sentAt, until: message.sentAt + HEARTBEAT_MS };
  }
}

const NEVER = { from: 0, until: 0 };

function parse(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Partial<{
      ping: unknown;
      sentAt: unknown;
      tags: unknown;
      mode: unknown;
    }>;
    const { tags } = message;
    const areTexts = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
    if (areTexts && (message.mode === 'purge' || message.mode === 'expire')) return message as Message;
    return typeof message.ping === 'string' && typeof message.sentAt === 'number'
      ? (message as Message)
      : undefined;
  } catch {
    return undefined;
  }
}
