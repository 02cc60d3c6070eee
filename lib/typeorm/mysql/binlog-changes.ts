import { randomInt } from 'node:crypto';
import type { ChangeSource } from '../../invalidation/change.interface.js';
import {
  answered,
  LogConsumer,
  type LogReader,
  type LogSession,
  untilNextElection,
} from '../log/log-consumer.js';
import { TransactionQueue } from '../log/transaction-queue.js';
import { type BinlogEvent, BinlogEvents } from './binlog-events.js';
import {
  type BinlogClient,
  type BinlogPosition,
  type BinlogReader,
  checkServer,
  endOfLog,
  forgetPosition,
  rowsOf,
  storedPosition,
  storePosition,
} from './binlog-server.js';

/**
 * Options of {@link binlogChanges}.
 *
 * @publicApi
 */
export interface BinlogChangesOptions {
  /** Opens a connection of `mysql2/promise`: `() => createConnection(url)`. It elects the reader and keeps the position. */
  client: () => Promise<BinlogClient>;
  /** Makes the reader of the log: `() => new ZongJi({ host, user, password })` of `@vlasky/zongji`. */
  reader: () => BinlogReader;
  /** Names the position; one for each application and each shared store. Default `'restflow_cache'`. */
  name?: string | undefined;
}

/**
 * A source of the changes in the binary log of MySQL and MariaDB: exact old and new rows in the order of their commits, whoever wrote
 * them. One process at a time reads it; the others take over when it ends.
 *
 * @throws TypeError for options that cannot work
 * @example
 * RestflowCacheModule.forRoot({
 *   store: tieredStore({ l2: redisStore({ url }) }),
 *   changeSources: [binlogChanges({ client: () => createConnection(url), reader: () => new ZongJi({ host, user, password }) })],
 * })
 *
 * @publicApi
 */
export function binlogChanges(options: BinlogChangesOptions): ChangeSource {
  for (const name of ['client', 'reader'] as const)
    if (typeof options?.[name] !== 'function')
      throw new TypeError(
        `binlogChanges(): ${name} must be a function, e.g. () => new ZongJi({ host, user }).`,
      );
  return new LogConsumer(new Binlog(options, options.name ?? 'restflow_cache'));
}

const PING_MS = 10_000;
/** A position that had nothing to invalidate is stored this often, so that the log may be purged. Milliseconds. */
const IDLE_STORE_MS = 60_000;
/** Error of the server: the position is not in the log any more. */
const LOST = 1236;

class Binlog implements LogReader {
  readonly name = 'binlogChanges';
  readonly #events = new BinlogEvents();
  #queue: TransactionQueue<BinlogPosition> | undefined;
  #failedAt: string | undefined;

  constructor(
    private readonly options: BinlogChangesOptions,
    private readonly id: string,
  ) {}

  get lagSeconds(): number {
    return this.#queue?.lagSeconds ?? 0;
  }

  async read(session: LogSession): Promise<void> {
    const client = await answered(this.options.client());
    const lost = new Promise<never>((_resolve, reject) => {
      client.on('error', reject);
      const abort = (): void => reject(new Error('The application shuts down.'));
      session.signal.addEventListener('abort', abort, { once: true });
    });
    lost.catch(() => undefined);
    const ping = setInterval(() => {
      void answered(client.query('SELECT 1')).catch(() => client.destroy());
    }, PING_MS).unref();
    try {
      await Promise.race([lost, this.#consume(client, session, lost)]);
    } finally {
      clearInterval(ping);
      await this.#queue?.close();
      // It gives the lock back.
      client.destroy();
    }
  }

  async #consume(client: BinlogClient, session: LogSession, lost: Promise<never>): Promise<void> {
    const { server, database } = await answered(checkServer(this.name, client));
    while (!session.signal.aborted) {
      const [row] = await answered(rowsOf(client, 'SELECT GET_LOCK(?, 0) AS taken', [`restflow ${this.id}`]));
      if (Number(row!['taken']) === 1) break;
      session.standby();
      await untilNextElection(session.signal);
    }
    if (session.signal.aborted) return;
    let position = await answered(storedPosition(client, this.id, server));
    if (position === undefined) {
      position = await answered(endOfLog(client));
      await session.host.missed();
      await session.host.delivered();
      await answered(storePosition(client, this.id, server, position));
    }
    const store = (done: BinlogPosition): Promise<void> =>
      answered(storePosition(client, this.id, server, done));
    try {
      await Promise.race([lost, this.#stream(database, position, session, store)]);
    } catch (error) {
      const at = JSON.stringify(position);
      // What cannot be read twice cannot be read at all, e.g. rows of a table that was dropped since.
      if ((error as { errno?: unknown }).errno === LOST || at === this.#failedAt)
        await answered(forgetPosition(client, this.id)).catch(() => undefined);
      this.#failedAt = at;
      throw error;
    }
  }

  async #stream(
    database: string,
    from: BinlogPosition,
    session: LogSession,
    store: (position: BinlogPosition) => Promise<void>,
  ): Promise<void> {
    const reader = this.options.reader();
    let storedAt = Date.now();
    session.signal.addEventListener('abort', () => reader.stop(), { once: true });
    try {
      await new Promise<never>((_resolve, reject) => {
        const queue = (this.#queue = new TransactionQueue<BinlogPosition>(
          session.host,
          async (position, hadRows) => {
            if (!hadRows && Date.now() - storedAt < IDLE_STORE_MS) return;
            storedAt = Date.now();
            await store(position);
            this.#failedAt = undefined;
          },
          reject,
        ));
        this.#events.begin();
        reader.on('error', reject);
        reader.on('stopped', () => reject(new Error('The reader of the log stopped.')));
        reader.on('ready', () => session.consuming());
        reader.on('binlog', (event) => {
          const transaction = this.#events.read(event as BinlogEvent);
          if (transaction === undefined) return;
          const [filename, position] = [String(reader.get('filename')), Number(reader.get('position'))];
          queue.push({ ...transaction, position: { filename, position } });
        });
        reader.start({
          ...from,
          serverId: randomInt(1_000_000, 2 ** 31),
          includeSchema: { [database]: true },
        });
      });
    } finally {
      reader.stop();
    }
  }
}
