import { setTimeout as delay } from 'node:timers/promises';
import type { DispatcherHost } from '../../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError } from '../../invalidation/jobs/job.js';
import { topicOf, messageOf } from '../../common/messages.js';
import { Deadline, type ShutdownDeadline, pauseBefore } from '../../common/async.js';
import type { Claim, OutboxTable } from './outbox-table.js';

export interface RelayOptions {
  readonly pollInterval: number;
  readonly batch: number;
  readonly attempts: number;
}

/** After this time, claimed jobs of a killed relay go to another one. Milliseconds. */
const LEASE = 30_000;

/** Runs the jobs in the outbox of one database, each at least once. */
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

  /** Stops after the current round, or after the time limit of a shutdown. */
  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    this.#closing.abort();
    await deadline.wait(Promise.resolve(this.#running));
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { batch, pollInterval } = this.options;
    while (!signal.aborted) {
      const taken = await this.#round();
      // The timer keeps the process alive: a worker may have no other handle.
      if (taken < batch) await delay(pollInterval, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns the number of claimed jobs */
  async #round(): Promise<number> {
    try {
      const { dataSource } = this.table;
      // SQLite drivers have one connection: during an open transaction the relay would read uncommitted jobs.
      if (!dataSource.isInitialized || dataSource.driver.queryRunner?.isTransactionActive === true) return 0;
      const claims = await this.table.claim(this.host.namespace, this.options.batch, Date.now() + LEASE);
      const done = await Promise.all(claims.map((claim) => this.#carryOut(claim)));
      await this.table.remove(claims.filter((_, i) => done[i]).map(({ id }) => id));
      return claims.length;
    } catch (error) {
      this.host.failed(
        'outbox relay',
        'The outbox could not be read, so its invalidation jobs wait. If the table does not exist, run the migration of outboxMigration()',
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
          `The invalidation job ${id} is dead and stays in the outbox, so its entries may stay stale until their ttl ends`,
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
    throw new InvalidationJobError('JOB_MALFORMED', 'An invalidation job in the outbox is not JSON.', {
      cause,
    });
  }
}
