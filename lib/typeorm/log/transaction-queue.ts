import type { ChangeSourceHost, RowChange } from '../../invalidation/change.interface.js';

/** With more rows in one report, everything counts as changed. */
const MAX_ROWS = 1_000;
/** With more rows waiting, e.g. while the store is down, they are given up, and everything counts as changed. */
const MAX_WAITING = 10_000;

/** A committed transaction that was read from a log. */
export interface LoggedTransaction<P> {
  /** In the order of its statements. Empty for one that only moves the position. */
  readonly rows: readonly RowChange[];
  /** True where it is not known which tables changed. */
  readonly isUnknown?: boolean | undefined;
  /** The place in the log behind it. */
  readonly position: P;
  /** Time of its COMMIT, by the clock of the database. Milliseconds. */
  readonly committedAt: number;
}

/**
 * Reports transactions in the order of their commits, and acknowledges each only when every store has taken its invalidations: a
 * process that is killed before that reads it again.
 */
export class TransactionQueue<P> {
  #waiting: LoggedTransaction<P>[] = [];
  #rows = 0;
  #hasMissed = false;
  #oldest: number | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  /**
   * @param acknowledge called with the position behind transactions that are done
   * @param failed called once, with the first error: nothing is acknowledged after it
   */
  constructor(
    private readonly host: ChangeSourceHost,
    private readonly acknowledge: (position: P, hadRows: boolean) => Promise<void> | void,
    private readonly failed: (error: unknown) => void,
  ) {}

  push(transaction: LoggedTransaction<P>): void {
    if (this.#isClosed) return;
    this.#waiting.push(transaction);
    this.#rows += transaction.rows.length;
    this.#hasMissed ||= transaction.isUnknown === true;
    if (this.#rows > MAX_WAITING) {
      this.#hasMissed = true;
      this.#rows = 0;
      this.#waiting = [{ ...transaction, rows: [] }];
    }
    if (transaction.rows.length > 0) this.#oldest ??= transaction.committedAt;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Age of the oldest transaction that is not acknowledged. Seconds. */
  get lagSeconds(): number {
    return this.#oldest === undefined ? 0 : Math.max(0, Date.now() - this.#oldest) / 1_000;
  }

  /** Reports nothing more. Resolves when the last report is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting = [];
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const done = this.#waiting;
        const hasMissed = this.#hasMissed;
        this.#waiting = [];
        this.#rows = 0;
        this.#hasMissed = false;
        const rows = done.flatMap((transaction) => transaction.rows);
        if (hasMissed || rows.length > MAX_ROWS) await this.host.missed();
        else if (rows.length > 0) await this.host.changed(rows);
        const hadRows = hasMissed || rows.length > 0;
        if (hadRows) await this.host.delivered();
        await this.acknowledge(done.at(-1)!.position, hadRows);
        this.#oldest = this.#waiting.find((transaction) => transaction.rows.length > 0)?.committedAt;
      }
    } catch (error) {
      this.#isClosed = true;
      this.failed(error);
    }
  }
}
