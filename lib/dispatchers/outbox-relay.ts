import { setTimeout as delay } from 'node:timers/promises';
import type { DispatcherHost } from '../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError } from '../invalidation/jobs/job.js';
import { topicOf, messageOf } from '../common/messages.js';
import { pauseBefore } from '../common/async.js';
import { closing } from './sender.js';
import type { Claim, OutboxTable } from './outbox-table.js';

export interface RelayOptions {
  readonly pollInterval: number;
  readonly batch: number;
  readonly attempts: number;
}

/** A relay that dies leaves the jobs it took to others after this time. Milliseconds. */
const LEASE = 30_000;

/** Carries out what stands in the outbox of one database: every job at least once. */
export class OutboxRelay {
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    private readonly table: OutboxTable,
    private readonly host: DispatcherHost,
    private readonly options: RelayOptions,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends after the round that is under way, if the database answers. */
  async close(): Promise<void> {
    this.#closing.abort();
    await closing(this.#running);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { batch, pollInterval } = this.options;
    while (!signal.aborted) {
      const taken = await this.#round();
      // The pause keeps the process alive: a worker has nothing else to do.
      if (taken < batch) await delay(pollInterval, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns how many jobs it took */
  async #round(): Promise<number> {
    try {
      const { dataSource } = this.table;
      // SQLite drivers have one connection: in another caller's open transaction nothing is committed yet.
      if (!dataSource.isInitialized || dataSource.driver.queryRunner?.isTransactionActive === true) return 0;
      const claims = await this.table.claim(this.host.namespace, this.options.batch, Date.now() + LEASE);
      const done = await Promise.all(claims.map((claim) => this.#carryOut(claim)));
      await this.table.remove(claims.filter((_, i) => done[i]).map(({ id }) => id));
      return claims.length;
    } catch (error) {
      this.host.failed(
        'outbox relay',
        'The outbox could not be read: is the migration of outboxMigration() run?',
        error,
      );
      return 0;
    }
  }

  /** @returns whether the job is done */
  async #carryOut({ id, job, attempts }: Claim): Promise<boolean> {
    try {
      await this.host.handle(parse(job));
      return true;
    } catch (error) {
      const attempt = attempts + 1;
      const text = messageOf(error);
      if (error instanceof InvalidationJobError || attempt >= this.options.attempts) {
        await this.table.bury(id, text);
        this.host.failed(
          `outbox dead ${topicOf(error)}`,
          `The invalidation job ${id} is dead, it stays in the outbox`,
          error,
        );
      } else await this.table.postpone(id, Date.now() + pauseBefore(attempt), text);
      return false;
    }
  }
}

function parse(job: string): unknown {
  try {
    return JSON.parse(job);
  } catch (cause) {
    throw new InvalidationJobError('JOB_MALFORMED', 'An invalidation job in the outbox is no JSON.', {
      cause,
    });
  }
}
