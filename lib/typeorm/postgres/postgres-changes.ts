import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../common/async.js';
import { systemClock } from '../../common/time.js';
import type { ChangeSource, ChangeSourceHost } from '../../invalidation/change.interface.js';
import { ChangeLog, type ListeningClient } from './change-log.js';

/**
 * Options of {@link postgresChanges}.
 *
 * @publicApi
 */
export interface PostgresChangesOptions {
  /** Makes a client of `pg` that is not connected yet: the connection that is listened on, one for each process. */
  client: () => ListeningClient;
  /** The schema that `changeTriggers()` was given. Default `'public'`. */
  schema?: string | undefined;
  /**
   * Writers to ignore, by their `application_name`: those whose writes reach this application in another way. Default none.
   */
  ignoreApplications?: readonly string[] | undefined;
  /** Time between reads of changes if no notification arrives. Milliseconds. Default 10,000. */
  pollInterval?: number | undefined;
  /** Time that changes are kept, in seconds. After a longer absence everything counts as changed. Default 3600. */
  retention?: number | undefined;
}

const QUERY_MS = 5_000;
const START_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/**
 * A source of changes that triggers of PostgreSQL record (see `changeTriggers`): writes of psql, of other services and other ORMs
 * invalidate like those through TypeORM, a moment after their commit.
 *
 * @throws TypeError for options that cannot work
 * @example
 * RestflowCacheModule.forRoot({
 *   changeSources: [postgresChanges({ client: () => new Client({ connectionString: process.env.DATABASE_URL }) })],
 * })
 *
 * @publicApi
 */
export function postgresChanges(options: PostgresChangesOptions): ChangeSource {
  if (typeof options?.client !== 'function')
    throw new TypeError(
      'postgresChanges(): client must be a function that makes a client of pg: () => new Client(…).',
    );
  for (const name of ['pollInterval', 'retention'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isFinite(value) && value > 0))
      throw new TypeError(
        `postgresChanges(): ${name} must be a number greater than 0, it is ${String(value)}.`,
      );
  }
  return new PostgresChanges(options);
}

class PostgresChanges implements ChangeSource {
  readonly #closing = new AbortController();
  readonly #log: ChangeLog;
  #running: Promise<void> | undefined;
  #wake: () => void = () => {};

  constructor(private readonly options: PostgresChangesOptions) {
    this.#log = new ChangeLog(
      options.schema ?? 'public',
      options.ignoreApplications ?? [],
      options.retention ?? 3_600,
    );
  }

  /** Resolves when missed changes are read, the first attempt has failed, or five seconds have passed. */
  start(host: ChangeSourceHost): Promise<void> {
    const caughtUp = new Promise<void>((resolve) => {
      this.#running = this.#run(host, resolve).finally(resolve);
    });
    return within(systemClock, START_MS, caughtUp);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#running;
  }

  /** Listens, and reconnects whenever the connection is lost. */
  async #run(host: ChangeSourceHost, caughtUp: () => void): Promise<void> {
    const { signal } = this.#closing;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        await this.#listen(host, () => {
          pause = FIRST_PAUSE_MS;
          caughtUp();
        });
      } catch (error) {
        caughtUp();
        if (signal.aborted) return;
        const message =
          'postgresChanges() is not connected, so writes of other programs do not invalidate until it is. It reconnects by itself';
        host.failed('postgres changes', message, error);
      }
      await delay(pause * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(
        () => undefined,
      );
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Reads changes until the connection is lost. */
  async #listen(host: ChangeSourceHost, caughtUp: () => void): Promise<void> {
    const client = this.options.client();
    let isLost = false;
    let isWoken: boolean | undefined;
    let woken: (() => void) | undefined;
    const wake = (this.#wake = () => {
      isWoken = true;
      woken?.();
    });
    const lose = (): void => {
      isLost = true;
      wake();
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', wake);
    try {
      await answered(client.connect());
      await answered(this.#log.listen(client));
      while (!isLost && !this.#closing.signal.aborted) {
        isWoken = false;
        await this.#log.read(client, host, answered);
        caughtUp();
        if (!isWoken)
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, this.options.pollInterval ?? 10_000).unref();
            woken = () => {
              clearTimeout(timer);
              resolve();
            };
          });
      }
      if (isLost) throw new Error('The connection was lost.');
    } finally {
      // end() never settles on a dead connection.
      void client.end().catch(() => undefined);
    }
  }
}

async function answered<T>(work: Promise<T>): Promise<T> {
  return within(systemClock, QUERY_MS, work, () => {
    throw new Error(`PostgreSQL did not answer within ${QUERY_MS} ms.`);
  });
}
