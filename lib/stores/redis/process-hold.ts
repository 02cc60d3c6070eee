import { isCluster, type RedisClient, type RedisNode } from './redis-client.interface.js';
import type { RedisExecutor } from './redis-commands.js';

/** Longer than any process waits. Milliseconds. */
const LONG_MS = 2 ** 30;

/** Keeps the process alive while calls are on their way, over connections that let it end. */
export class ProcessHold {
  readonly #timer = setInterval(() => undefined, LONG_MS).unref();
  #pending = 0;

  during<T>(work: Promise<T>): Promise<T> {
    if (this.#pending++ === 0) this.#timer.ref();
    work.then(this.#ended, this.#ended);
    return work;
  }

  readonly #ended = (): void => {
    if (--this.#pending === 0) this.#timer.unref();
  };

  /** An executor whose calls hold the process. */
  holding(executor: RedisExecutor): RedisExecutor {
    return {
      readMany: (keys) => this.during(executor.readMany(keys)),
      runAll: (commands) => this.during(executor.runAll(commands)),
      publish: (channel, message, after, before) =>
        this.during(executor.publish(channel, message, after, before)),
      masters: () => executor.masters(),
      channelNode: (channel) => executor.channelNode(channel),
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Members of ioredis that keep a process alive, and what a client of node-redis has instead. */
interface Waiting {
  readonly unref?: () => void;
  readonly reconnectTimeout?: NodeJS.Timeout | null;
  readonly stream?: { unref?(): void } | null;
  /** Of a Cluster: the connection over which it hears of its nodes. */
  readonly subscriber?: { getInstance?(): RedisNode | null } | null;
}

/** Lets the process end while a client is idle, or waits to connect again: a cache is no reason to run. */
export function letProcessEnd(client: RedisClient | RedisNode): void {
  const waiting = client as Waiting;
  const unref = (): void => {
    waiting.unref?.();
    waiting.stream?.unref?.();
    waiting.reconnectTimeout?.unref();
    const subscriber = waiting.subscriber?.getInstance?.() as (RedisNode & Waiting) | null | undefined;
    subscriber?.stream?.unref?.();
  };
  for (const event of ['connect', 'ready', 'reconnecting']) client.on(event, unref);
  unref();
  if (!isCluster(client as RedisClient)) return;
  for (const node of (client as unknown as { nodes(): RedisNode[] }).nodes()) letProcessEnd(node);
  client.on('+node', (node: RedisNode) => letProcessEnd(node));
}
