import { setInterval as every } from 'node:timers';
import type { ChangeSource } from '../../invalidation/change.interface.js';
import {
  answered,
  LogConsumer,
  type LogReader,
  type LogSession,
  untilNextElection,
} from '../log/log-consumer.js';
import { TransactionQueue } from '../log/transaction-queue.js';
import { quoted } from './change-triggers.js';
import { PgOutputMessages, type PgOutputParser } from './pg-output-messages.js';
import {
  checkServer,
  createSlot,
  identify,
  lsnOf,
  relationShapes,
  type ReplicationClient,
  slotState,
} from './replication-slot.js';
import { ReplicationStream } from './replication-stream.js';

/**
 * Options of {@link pgOutputChanges}.
 *
 * @publicApi
 */
export interface PgOutputChangesOptions {
  /**
   * Makes a client of `pg` that is not connected yet, with the given setting: `(replication) => new Client({ connectionString, ...replication })`.
   */
  client: (replication: { readonly replication: 'database' }) => ReplicationClient;
  /**
   * Makes the parser of the messages, with the given settings: `(settings) => new PgoutputPlugin(settings)` of `pg-logical-replication`.
   */
  plugin: (settings: { readonly protoVersion: 1; readonly publicationNames: string[] }) => PgOutputParser;
  /** The publication, see `changePublication()`. Default `'restflow_cache'`. */
  publication?: string | undefined;
  /** Begins the name of the replication slot; one for each application and each shared store. Default `'restflow_cache'`. */
  slot?: string | undefined;
}

/** Names of replication slots are lower-case; a suffix says on which timeline of the server it was made. */
const SLOT = /^[a-z0-9_]{1,50}$/;

/**
 * A source of the changes in PostgreSQL's write-ahead log (13 or newer): exact old and new rows in the order of their commits, whoever
 * wrote them, with no work for the writers. One process at a time reads it; the others take over when it ends.
 *
 * @throws TypeError for options that cannot work
 * @example
 * RestflowCacheModule.forRoot({
 *   store: tieredStore({ l2: redisStore({ url }) }),
 *   changeSources: [
 *     pgOutputChanges({
 *       client: (replication) => new Client({ connectionString: process.env.DATABASE_URL, ...replication }),
 *       plugin: (settings) => new PgoutputPlugin(settings),
 *     }),
 *   ],
 * })
 *
 * @publicApi
 */
export function pgOutputChanges(options: PgOutputChangesOptions): ChangeSource {
  for (const name of ['client', 'plugin'] as const)
    if (typeof options?.[name] !== 'function')
      throw new TypeError(
        `pgOutputChanges(): ${name} must be a function, e.g. ` +
          (name === 'client'
            ? '(replication) => new Client({ connectionString, ...replication }).'
            : '(settings) => new PgoutputPlugin(settings).'),
      );
  const { slot = DEFAULT_NAME, publication = DEFAULT_NAME } = options;
  if (!SLOT.test(slot))
    throw new TypeError(
      `pgOutputChanges(): slot must be of up to 50 lower-case letters, digits and underscores, it is ${JSON.stringify(slot)}.`,
    );
  return new LogConsumer(new PgOutput(options, slot, publication));
}

export const DEFAULT_NAME = 'restflow_cache';

/** What is known of the server that was read last. */
interface Progress {
  readonly slot: string;
  /** The position that was acknowledged last. */
  acknowledged: bigint;
}

class PgOutput implements LogReader {
  readonly name = 'pgOutputChanges';
  readonly #messages: PgOutputMessages;
  #queue: TransactionQueue<bigint> | undefined;
  #progress: Progress | undefined;

  constructor(
    private readonly options: PgOutputChangesOptions,
    private readonly slotName: string,
    private readonly publication: string,
  ) {
    this.#messages = new PgOutputMessages(
      options.plugin({ protoVersion: 1, publicationNames: [publication] }),
    );
  }

  get lagSeconds(): number {
    return this.#queue?.lagSeconds ?? 0;
  }

  async read(session: LogSession): Promise<void> {
    const client = this.options.client({ replication: 'database' });
    const lost = new Promise<never>((_resolve, reject) => {
      client.on('error', (error) => reject(error ?? new Error('The connection was lost.')));
      client.on('end', () => reject(new Error('The connection was closed.')));
      session.signal.addEventListener('abort', () => reject(new Error('The application shuts down.')), {
        once: true,
      });
    });
    lost.catch(() => undefined);
    try {
      await answered(client.connect());
      await Promise.race([lost, this.#consume(client, session)]);
    } finally {
      // end() never settles on a dead connection.
      void client.end().catch(() => undefined);
      await this.#queue?.close();
    }
  }

  async #consume(client: ReplicationClient, session: LogSession): Promise<void> {
    const { timeline, position } = await answered(identify(this.name, client));
    await answered(checkServer(this.name, client, this.publication));
    // A promoted standby has another timeline: what the old primary acknowledged may be lost, so its slot counts as lost.
    const slot = `${this.slotName}_t${timeline}`;
    await this.#takeSlot(client, slot, session);
    if (session.signal.aborted) return;
    // Restored from a backup: what was read since is not in the log any more.
    const progress = this.#progress;
    if (progress?.slot === slot && position < progress.acknowledged) await missed(session);
    this.#progress = { slot, acknowledged: progress?.slot === slot ? position : 0n };
    await this.#stream(client, slot, session);
  }

  /** Resolves when no other process reads the slot. It is made where it is missing, or has lost changes. */
  async #takeSlot(client: ReplicationClient, slot: string, session: LogSession): Promise<void> {
    while (!session.signal.aborted) {
      const state = await answered(slotState(client, slot));
      if (state === 'idle') return;
      if (state === 'active') {
        session.standby();
        await untilNextElection(session.signal);
        continue;
      }
      const dropAll = async (): Promise<void> => {
        this.#messages.know(await relationShapes(client, this.publication));
        await missed(session);
      };
      if (await createSlot(client, { slot, isLost: state === 'lost' }, dropAll, this.slotName)) return;
    }
  }

  async #stream(client: ReplicationClient, slot: string, session: LogSession): Promise<void> {
    const stream = new ReplicationStream(client);
    const progress = this.#progress!;
    const done = new Promise<void>((_resolve, reject) => {
      const queue = (this.#queue = new TransactionQueue<bigint>(
        session.host,
        (position) => {
          progress.acknowledged = position;
          stream.acknowledge(position);
        },
        reject,
      ));
      this.#messages.begin();
      stream.onData = (message, end) => {
        try {
          const transaction = this.#messages.read(message);
          if (transaction === undefined) return;
          const { position } = transaction;
          queue.push({ ...transaction, position: position === undefined ? end : lsnOf(position) });
        } catch (error) {
          reject(error as Error);
        }
      };
      // What is logged of other tables and databases moves the slot too, or it would keep all of it.
      stream.onIdle = (end) => {
        if (!this.#messages.isInTransaction) queue.push({ rows: [], position: end, committedAt: Date.now() });
      };
      stream.onSilence = () => reject(new Error('The server is silent.'));
    });
    const timer = every(() => stream.keepAlive(), KEEP_ALIVE_MS).unref();
    try {
      const sql =
        `START_REPLICATION SLOT ${quoted(slot)} LOGICAL 0/0 ` +
        `(proto_version '1', publication_names '${quoted(this.publication).replaceAll("'", "''")}')`;
      await Promise.race([stream.start(sql, session.consuming), done]);
      await done;
    } catch (error) {
      // Another process was faster.
      if ((error as { code?: unknown }).code !== IN_USE) throw error;
      session.standby();
      await untilNextElection(session.signal);
    } finally {
      clearInterval(timer);
    }
  }
}

/** Error code `object_in_use`. */
const IN_USE = '55006';
/** The server ends a connection that says nothing for `wal_sender_timeout`, one minute by default. Milliseconds. */
const KEEP_ALIVE_MS = 10_000;

async function missed({ host }: LogSession): Promise<void> {
  await host.missed();
  await host.delivered();
}
