import { randomUUID } from 'node:crypto';
import type { Bus } from '../bus.interface.js';
import type { InvalidationMode } from '../store.interface.js';
import type { StoreHost } from '../store-host.js';
import type { RedisNode } from './redis-client.interface.js';
import { HEARTBEAT_MS, type RedisConnection } from './redis-connection.js';

/** Every store on one Redis shares it: tags hold their namespace. */
export const BUS_CHANNEL = 'restflow:bus';

/** So that one late ping does not end the trust. */
const PING_MS = HEARTBEAT_MS / 3;

type Message =
  | { readonly ping: string; readonly sentAt: number }
  | { readonly tags: readonly string[]; readonly mode: InvalidationMode };

/** A bump as it is published. */
export function bumpMessage(tags: readonly string[], mode: InvalidationMode): string {
  return JSON.stringify({ tags, mode } satisfies Message);
}

/**
 * The bus over Redis pub/sub. A connection that looks alive may be half open, so each process sends itself pings: what
 * was published before a ping that came back has arrived. The bus is trusted for one heartbeat after that ping was sent.
 */
export class RedisBus implements Bus {
  readonly #id = randomUUID();
  readonly #subscriber: RedisNode;
  #host: StoreHost | undefined;
  #trustedUntil = 0;
  #cancel: (() => void) | undefined;
  #onBump: (tags: readonly string[], mode: InvalidationMode) => void = () => undefined;
  #onReset: () => void = () => undefined;

  constructor(private readonly connection: RedisConnection) {
    this.#subscriber = connection.client.duplicate();
    this.#subscriber.on('error', () => undefined);
    this.#subscriber.on('message', (_channel: string, text: string) => this.#receive(text));
    for (const event of ['close', 'end', 'reconnecting']) this.#subscriber.on(event, () => this.#lost());
    this.#subscriber.on('ready', () => void this.#subscribe());
    if (this.#subscriber.status === 'ready') void this.#subscribe();
  }

  isTrusted(): boolean {
    return this.#host !== undefined && this.#host.now() < this.#trustedUntil;
  }

  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void {
    this.#onBump = onBump;
    this.#onReset = onReset;
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.#cancel?.();
    const beat = (): void => {
      this.#ping(host.now());
      this.#cancel = host.after(PING_MS, beat);
    };
    beat();
  }

  async close(): Promise<void> {
    this.#cancel?.();
    this.#host = undefined;
    this.#subscriber.disconnect();
  }

  #ping(sentAt: number): void {
    if (!this.connection.isReady) return;
    this.connection.client
      .publish(BUS_CHANNEL, JSON.stringify({ ping: this.#id, sentAt } satisfies Message))
      .catch(() => undefined);
  }

  #receive(text: string): void {
    const message = parse(text);
    if (message === undefined) return this.#onReset();
    if ('tags' in message) return this.#onBump(message.tags, message.mode);
    if (message.ping === this.#id) this.#trustedUntil = message.sentAt + HEARTBEAT_MS;
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#subscriber.subscribe(BUS_CHANNEL);
      this.#lost();
    } catch {
      // It reconnects, and subscribes again; until a ping comes back the bus is not trusted.
    }
  }

  #lost(): void {
    this.#trustedUntil = 0;
    this.#onReset();
  }
}

function parse(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Partial<{
      ping: unknown;
      sentAt: unknown;
      tags: unknown;
      mode: unknown;
    }>;
    if (Array.isArray(message.tags) && (message.mode === 'purge' || message.mode === 'expire'))
      return message as Message;
    return typeof message.ping === 'string' && typeof message.sentAt === 'number'
      ? (message as Message)
      : undefined;
  } catch {
    return undefined;
  }
}
