/** The members of ioredis 5 and 6 that the store uses, so that its declarations depend on neither version. */
export interface RedisCommands {
  mgetBuffer(...keys: string[]): Promise<(Buffer | null)[]>;
  set(...args: (string | Buffer | number)[]): Promise<unknown>;
  get(key: string): Promise<string | null>;
  pexpire(key: string, ms: number): Promise<unknown>;
  eval(...args: (string | number)[]): Promise<unknown>;
  unlink(...keys: string[]): Promise<unknown>;
  scan(cursor: string, ...args: (string | number)[]): Promise<[cursor: string, keys: string[]]>;
  info(section: string): Promise<string>;
  publish(channel: string, message: string | Buffer): Promise<unknown>;
}

export interface RedisPipeline extends Record<keyof RedisCommands, (...args: never[]) => RedisPipeline> {
  exec(): Promise<[error: Error | null, result: unknown][] | null>;
}

/** One connection to one Redis. */
export interface RedisNode extends RedisCommands {
  readonly status: string;
  /** The socket; absent before the first connection. */
  readonly stream?: {
    readonly writableCorked: number;
    cork(): void;
    uncork(): void;
  } | null;
  readonly options: {
    readonly keyPrefix?: string;
    readonly host?: string;
    readonly port?: number;
    readonly retryStrategy?: unknown;
  };
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
  pipeline(): { exec(): Promise<[error: Error | null, result: unknown][] | null> } & Record<
    string,
    (...args: (string | number | Buffer)[]) => unknown
  >;
  duplicate(override?: object): RedisNode;
  subscribe(channel: string): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  quit(): Promise<unknown>;
  connect(): Promise<unknown>;
}

/** A Redis Cluster. */
export interface RedisCluster extends RedisNode {
  readonly isCluster: true;
  nodes(role: 'master'): RedisNode[];
  /** The nodes of each slot, its master first, each as `host:port`. */
  readonly slots: readonly (readonly string[] | undefined)[];
  /** Reads the slots from the nodes again. */
  refreshSlotsCache(): void;
}

export type RedisClient = RedisNode | RedisCluster;

export function isCluster(client: RedisClient): client is RedisCluster {
  return (client as Partial<RedisCluster>).isCluster === true;
}
