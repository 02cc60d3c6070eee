import type { RedisNode } from './redis-client.interface.js';

type Argument = string | Buffer;
type Listener = (...args: never[]) => void;

/** The members of a client of node-redis 5 and 6 that the store uses, so that its declarations depend on neither version. */
export interface NodeRedis {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly options?: {
    readonly socket?: {
      readonly host?: string;
      readonly port?: number;
      readonly reconnectStrategy?: unknown;
    };
  };
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): void;
  unref(): void;
  duplicate(overrides: object): NodeRedis;
  sendCommand(args: readonly Argument[], options: { readonly typeMapping: object }): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
}

/** Tells a client of node-redis from a cluster, a pool or a Sentinel client of it, which lack some of these members. */
export function isNodeRedis(value: unknown): value is NodeRedis {
  const members = value as Partial<Record<string, unknown>> | null | undefined;
  const has = (name: string): boolean => typeof members?.[name] === 'function';
  return (
    ['sendCommand', 'duplicate', 'destroy', 'unref', 'subscribe'].every(has) &&
    typeof members?.isReady === 'boolean'
  );
}

/** Type of a bulk string in RESP, by which node-redis maps replies. */
const BULK_STRING = 36;
const TEXTS = { typeMapping: {} };
const BYTES = { typeMapping: { [BULK_STRING]: Buffer } };

/** Events of ioredis, and those of node-redis that mean the same. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  connect: ['connect'],
  ready: ['ready'],
  error: ['error'],
  reconnecting: ['reconnecting'],
  end: ['end', 'terminated'],
  close: ['reconnecting', 'end', 'terminated'],
};

/** A client that does not reconnect reports the end of its connection as an error, and no more. */
const EVENTS_WITHOUT_RETRY: typeof EVENTS = {
  ...EVENTS,
  end: ['error', 'end', 'terminated'],
  close: ['error', 'end', 'terminated'],
};

/** A client of node-redis with the members of one of ioredis that the store uses. */
export class NodeRedisClient implements RedisNode {
  /** node-redis gathers the writes of one turn itself. */
  readonly stream = null;
  readonly options: RedisNode['options'];
  readonly #events: typeof EVENTS;
  #messages: ((channel: string, text: string) => void)[] = [];
  #wasOpened: boolean;
  #hasEnded = false;

  constructor(
    private readonly client: NodeRedis,
    isRetrying = true,
  ) {
    const { host, port, reconnectStrategy } = client.options?.socket ?? {};
    const retryStrategy = reconnectStrategy === false ? undefined : (): void => undefined;
    this.options = { ...(host && { host }), ...(port && { port }), retryStrategy };
    this.#events = isRetrying ? EVENTS : EVENTS_WITHOUT_RETRY;
    this.#wasOpened = client.isOpen;
    if (!isRetrying) client.on('error', () => (this.#hasEnded = true));
  }

  get status(): string {
    if (this.#hasEnded) return 'end';
    if (this.client.isReady) return 'ready';
    if (this.client.isOpen) return 'connecting';
    return this.#wasOpened ? 'end' : 'wait';
  }

  on(event: string, listener: Listener): this {
    if (event === 'message') this.#messages.push(listener as never);
    else for (const one of this.#events[event] ?? []) this.client.on(one, listener);
    return this;
  }

  off(event: string, listener: Listener): this {
    this.#messages = this.#messages.filter((one) => (one as Listener) !== listener);
    for (const one of this.#events[event] ?? []) this.client.off(one, listener);
    return this;
  }

  async connect(): Promise<void> {
    this.#wasOpened = true;
    await this.client.connect();
  }

  /** @param reconnect node-redis has no call for it, so the connection is ended and opened again */
  disconnect(reconnect = false): void {
    this.#hasEnded = !reconnect;
    if (this.client.isOpen) this.client.destroy();
    if (reconnect) this.connect().catch(() => undefined);
  }

  async quit(): Promise<void> {
    this.#hasEnded = true;
    if (this.client.isOpen) await this.client.close();
  }

  /** Lets the process end while the connection is idle. */
  unref(): void {
    this.client.unref();
  }

  /** Another connection to the same Redis, which connects at once and once. */
  duplicate(): NodeRedisClient {
    const socket = { ...this.client.options?.socket, reconnectStrategy: false };
    const copy = this.client.duplicate({ socket, disableOfflineQueue: false });
    const node = new NodeRedisClient(copy, false);
    node.connect().catch(() => (node.#hasEnded = true));
    return node;
  }

  subscribe(channel: string): Promise<unknown> {
    return this.client.subscribe(channel, (text) => {
      for (const listener of this.#messages) listener(channel, text);
    });
  }

  mgetBuffer(...keys: string[]): Promise<(Buffer | null)[]> {
    return this.#send(['MGET', ...keys], BYTES) as Promise<(Buffer | null)[]>;
  }

  set(...args: Words): Promise<unknown> {
    return this.#send(['SET', ...args]);
  }

  get(key: string): Promise<string | null> {
    return this.#send(['GET', key]) as Promise<string | null>;
  }

  pexpire(key: string, ms: number): Promise<unknown> {
    return this.#send(['PEXPIRE', key, ms]);
  }

  eval(...args: Words): Promise<unknown> {
    return this.#send(['EVAL', ...args]);
  }

  unlink(...keys: string[]): Promise<unknown> {
    return this.#send(['UNLINK', ...keys]);
  }

  scan(cursor: string, ...args: Words): Promise<[cursor: string, keys: string[]]> {
    return this.#send(['SCAN', cursor, ...args]) as Promise<[string, string[]]>;
  }

  info(section: string): Promise<string> {
    return this.#send(['INFO', section]) as Promise<string>;
  }

  publish(channel: string, message: string | Buffer): Promise<unknown> {
    return this.#send(['PUBLISH', channel, message]);
  }

  /** Commands that are sent together are one pipeline. */
  pipeline(): ReturnType<RedisNode['pipeline']> {
    const commands: Words[] = [];
    const exec = (): Promise<[Error | null, unknown][]> =>
      Promise.all(
        commands.map((command) =>
          this.#send(command).then(
            (reply): [null, unknown] => [null, reply],
            (error: Error): [Error, undefined] => [error, undefined],
          ),
        ),
      );
    return new Proxy({ exec } as ReturnType<RedisNode['pipeline']>, {
      get: (_, name: string) =>
        name === 'exec' ? exec : (...args: Words) => commands.push([name.toUpperCase(), ...args]),
    });
  }

  #send(words: Words, options = TEXTS): Promise<unknown> {
    const args = words.map((word) => (typeof word === 'number' ? String(word) : word));
    return this.client.sendCommand(args, options).catch(rethrow);
  }
}

type Words = (string | Buffer | number)[];

/** Errors that Redis returned get the name by which the store knows those of ioredis. */
function rethrow(error: unknown): never {
  if (!isReply(error)) throw error;
  throw Object.assign(new Error(error.message, { cause: error }), { name: 'ReplyError' });
}

/** Known by the name of their class: the package may be installed in several versions. */
function isReply(error: unknown): error is Error {
  for (let level: unknown = error; level instanceof Error; level = Object.getPrototypeOf(level))
    if (level.constructor.name === 'ErrorReply') return true;
  return false;
}
