import type { Consistency } from './worker.js';
import type { Event } from './schedule.js';

/** What one process of the fleet reported. */
export interface Report {
  readonly consistency: Consistency;
  readonly events: readonly Event[];
  /** When it did not reach the store, in the order of time. */
  readonly cutOffs: readonly number[];
}

export interface Verdict {
  readonly reads: number;
  readonly hits: number;
  readonly writes: number;
  /** Writes whose invalidation did not reach the store at once. */
  readonly late: number;
  readonly failures: readonly string[];
  readonly stale: readonly string[];
}

type Write = Extract<Event, { kind: 'write' }>;

/** L1 is trusted for one heartbeat of the bus; and the clocks of processes differ by what they round. */
const BUS_LAG_MS = 1_000 + 5;

/**
 * A process that does not reach the store knows of its own bumps alone. Reads in it still share a load in flight, to
 * spare the database: that load may have begun before a bump of another process, by no more than it takes itself.
 */
const LONGEST_LOAD_MS = 500;

/**
 * The reference: a read must not return less than what was acknowledged as invalidated before it began. A process knows
 * of its own invalidations at once, and of others that reached the store at once or within a heartbeat of the bus. What was
 * expired, not purged, may be served while it is loaded anew.
 */
export function judge(reports: readonly Report[]): Verdict {
  const failures: string[] = [];
  const stale: string[] = [];
  let [reads, hits, writes, late] = [0, 0, 0, 0];
  const byBook = new Map<string, { readonly write: Write; readonly by: Report }[]>();
  for (const by of reports) {
    for (const event of by.events) {
      if (event.kind === 'failure') failures.push(event.error);
      if (event.kind !== 'write') continue;
      writes++;
      if (!event.reached) late++;
      const known = byBook.get(event.book);
      if (known === undefined) byBook.set(event.book, [{ write: event, by }]);
      else known.push({ write: event, by });
    }
  }
  for (const reader of reports) {
    const lag = reader.consistency === 'bus' ? BUS_LAG_MS : 0;
    for (const event of reader.events) {
      if (event.kind !== 'read') continue;
      reads++;
      if (event.hit) hits++;
      const isCutOff = !event.hit && wasCutOff(reader, event.began);
      const delay = isCutOff ? Math.max(lag, LONGEST_LOAD_MS) : lag;
      for (const [book, version] of event.copies) {
        for (const { write, by } of byBook.get(book) ?? []) {
          if (write.version <= version || write.mode === 'expire') continue;
          const known = by === reader ? write.acknowledged : write.acknowledged + delay;
          if ((by !== reader && !write.reached) || known >= event.began) continue;
          stale.push(
            `${reader.consistency} ${event.what}: ${book} at ${version}, ${write.version} was acknowledged ` +
              `${(event.began - write.acknowledged).toFixed(1)} ms before by ${by.consistency} (${write.level}, ${event.hit ? 'hit' : 'miss'}, at ${event.began.toFixed(0)})`,
          );
          break;
        }
      }
    }
  }
  return { reads, hits, writes, late, failures, stale };
}

function wasCutOff({ cutOffs }: Report, at: number): boolean {
  return cutOffs.some((cutOff) => Math.abs(cutOff - at) < 2 * LONGEST_LOAD_MS);
}
