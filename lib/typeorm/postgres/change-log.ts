import type { ChangeSourceHost, RowChange } from '../../invalidation/change.interface.js';
import { CHANGES, quoted } from './change-triggers.js';

/**
 * The parts of a `pg` client that are used.
 *
 * @publicApi
 */
export interface ListeningClient {
  connect(): Promise<unknown>;
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  on(event: 'error' | 'end' | 'notification', listener: () => void): unknown;
  end(): Promise<void>;
}

type Within = <T>(query: Promise<T>) => Promise<T>;

/** With more changes to read than this, everything counts as changed. */
const MAX_CHANGES = 1_000;

/**
 * The table of changes, and how far this process has read it. A position would be no good, since ids are given out before their
 * transactions commit; it remembers a snapshot, and changes that the snapshot did not see are new.
 */
export class ChangeLog {
  readonly #table: string;
  #snapshot: string | undefined;
  /** Times of the last read and prune, by the server's clock. Seconds. */
  #readAt = 0;
  #prunedAt = 0;

  constructor(
    schema: string,
    private readonly ignored: readonly string[],
    private readonly retention: number,
  ) {
    this.#table = `${quoted(schema)}."${CHANGES}"`;
  }

  listen(client: ListeningClient): Promise<unknown> {
    return client.query(`LISTEN "${CHANGES}"`);
  }

  /** Sends the host the changes since the last read; the first time, all of them. */
  async read(client: ListeningClient, host: ChangeSourceHost, within: Within): Promise<void> {
    const { rows } = await within(
      client.query(
        `SELECT s."snapshot", s."now", c."name", c."type", c."before", c."after" ` +
          `FROM (SELECT pg_current_snapshot()::text AS "snapshot", extract(epoch FROM clock_timestamp())::float8 AS "now") AS s ` +
          `LEFT JOIN LATERAL (SELECT * FROM ${this.#table} WHERE ($1::text IS NULL OR ("xid" >= pg_snapshot_xmin($1::pg_snapshot) ` +
          `AND NOT pg_visible_in_snapshot("xid", $1::pg_snapshot))) AND "origin" <> ALL ($2::text[]) ` +
          `ORDER BY "id" LIMIT ${MAX_CHANGES + 1}) AS c ON true`,
        [this.#snapshot ?? null, this.ignored],
      ),
    );
    const { snapshot, now } = rows[0] as { snapshot: string; now: number };
    const changes = rows.filter(({ name }) => name !== null).map(rowChangeOf);
    if (changes.length > MAX_CHANGES || this.#isGapBefore(snapshot, now)) await host.missed();
    else if (changes.length > 0) await host.changed(changes);
    this.#snapshot = snapshot;
    this.#readAt = now;
    await this.#prune(client, now, within);
  }

  /** Changes may have been pruned before they were read, or the server was replaced or restored from a backup. */
  #isGapBefore(snapshot: string, now: number): boolean {
    if (this.#snapshot === undefined) return false;
    return now - this.#readAt > this.retention || xminOf(snapshot) < xminOf(this.#snapshot);
  }

  async #prune(client: ListeningClient, now: number, within: Within): Promise<void> {
    if (now - this.#prunedAt < this.retention / 10) return;
    this.#prunedAt = now;
    // Kept twice as long as promised: a transaction commits later than it writes.
    await within(
      client.query(`DELETE FROM ${this.#table} WHERE "at" < now() - $1 * interval '1 second'`, [
        this.retention * 2,
      ]),
    );
  }
}

function rowChangeOf({ name, type, before, after }: Record<string, unknown>): RowChange {
  return { table: name, type, before, after } as RowChange;
}

function xminOf(snapshot: string): bigint {
  return BigInt(snapshot.split(':', 1)[0]!);
}
