import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isCluster, type RedisClient, type RedisNode } from './redis-client.interface.js';
import { DemotedError } from './redis-failure.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** The options of ioredis for a master that Sentinels know. */
interface SentinelOptions {
  readonly sentinels?: readonly Partial<Address>[] | null;
  readonly name?: string;
  readonly natMap?: Readonly<Record<string, Address>> | ((key: string) => Address | null) | null;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly sentinelTLS?: object;
}

/** A Sentinel that does not answer is asked again with the next heartbeat. Milliseconds. */
const TIMEOUT_MS = 700;

/**
 * Asks the Sentinels of a client whether its server is still the master: one that is split off from them believes so itself. A majority
 * must answer, and the latest configuration counts. Where none answers for the whole grace, the connection is not used.
 */
export class RedisSentinels {
  readonly #nodes = new Map<string, RedisNode>();
  #checkedAt: number | undefined;

  private constructor(
    private readonly client: RedisNode,
    private readonly options: SentinelOptions,
    private readonly grace: number,
  ) {}

  /** `undefined` for a client without Sentinels. */
  static of(client: RedisClient, grace: number): RedisSentinels | undefined {
    const options = client.options as SentinelOptions;
    const isWatched =
      !isCluster(client) && (options.sentinels?.length ?? 0) > 0 && options.name !== undefined;
    return isWatched ? new RedisSentinels(client, options, grace) : undefined;
  }

  /** @throws DemotedError where the Sentinels name another master; Error where no majority answered within the grace */
  async check(now: number): Promise<void> {
    this.#checkedAt ??= now;
    const sentinels = this.options.sentinels!;
    const answers = (await Promise.all(sentinels.map((one) => this.#ask(one)))).filter(
      (one) => one !== undefined,
    );
    if (answers.length * 2 <= sentinels.length) {
      if (now - this.#checkedAt < this.grace) return;
      throw new Error(
        `no majority of the Sentinels of '${this.options.name}' answers, so the master is unknown`,
      );
    }
    const latest = answers.reduce((one, other) => (other.epoch > one.epoch ? other : one));
    if (!(await this.#isConnectedTo(this.#translated(latest))))
      throw new DemotedError(
        `the Sentinels say that ${latest.host}:${latest.port} is the master of '${this.options.name}', so the connected server is not master`,
      );
    this.#checkedAt = now;
  }

  close(): void {
    for (const node of this.#nodes.values()) node.disconnect();
    this.#nodes.clear();
  }

  async #ask({
    host = '127.0.0.1',
    port = 26_379,
  }: Partial<Address>): Promise<(Address & { readonly epoch: number }) | undefined> {
    try {
      const fields = (await this.#node(host, port).call(
        'sentinel',
        'master',
        this.options.name!,
      )) as string[];
      const field = (name: string): string => fields[fields.indexOf(name) + 1]!;
      return { host: field('ip'), port: Number(field('port')), epoch: Number(field('config-epoch')) };
    } catch {
      return undefined;
    }
  }

  #node(host: string, port: number): RedisNode & { call(...args: string[]): Promise<unknown> } {
    const key = `${host}:${port}`;
    let node = this.#nodes.get(key);
    if (node === undefined || node.status === 'end') {
      const { sentinelUsername, sentinelPassword, sentinelTLS } = this.options;
      node = this.client.duplicate({
        ...{ sentinels: null, name: null, host, port, db: 0, lazyConnect: false },
        ...{ username: sentinelUsername ?? null, password: sentinelPassword ?? null, tls: sentinelTLS },
        ...{
          retryStrategy: null,
          enableReadyCheck: false,
          enableOfflineQueue: true,
          maxRetriesPerRequest: 0,
        },
        ...{ connectTimeout: TIMEOUT_MS, commandTimeout: TIMEOUT_MS, keyPrefix: '' },
      });
      const stream = (): void => (node as { stream?: { unref?(): void } }).stream?.unref?.();
      node.on('error', () => undefined);
      node.on('connect', stream);
      this.#nodes.set(key, node);
    }
    return node as RedisNode & { call(...args: string[]): Promise<unknown> };
  }

  #translated(address: Address): Address {
    const { natMap } = this.options;
    const key = `${address.host}:${address.port}`;
    const mapped = typeof natMap === 'function' ? natMap(key) : natMap?.[key];
    return mapped ?? address;
  }

  /** True as well where the connection is gone meanwhile, or the host cannot be resolved: then the role decides alone. */
  async #isConnectedTo({ host, port }: Address): Promise<boolean> {
    const { remoteAddress, remotePort } = (this.client.stream ?? {}) as {
      readonly remoteAddress?: string;
      readonly remotePort?: number;
    };
    if (remoteAddress === undefined) return true;
    if (remotePort !== port) return false;
    const addresses = isIP(host) > 0 ? [host] : await addressesOf(host);
    return addresses.length === 0 || addresses.includes(remoteAddress.replace(/^::ffff:/, ''));
  }
}

async function addressesOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
