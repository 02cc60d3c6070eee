import { setTimeout as delay } from 'node:timers/promises';
import { CacheStatus, type CacheStore } from '../../../lib/index.js';
import type { Counters } from '../../fleet/support/counters.js';
import type { ShopApplication } from '../../fleet/support/shop.js';

/** A process of the fleet: its application, over its own address of Redis. */
export interface Party {
  readonly name: string;
  readonly application: ShopApplication;
  readonly store: CacheStore;
  /** A tier hears of bumps of others after this time. Milliseconds. */
  readonly lag: number;
  isDead: boolean;
  hits: number;
  /** The history that it serves, and since when. */
  epoch: string | undefined;
  since: number;
}

interface Write {
  readonly number: number;
  readonly by: Party;
  readonly epoch: string | undefined;
  readonly at: number;
}

const SHELVES = 20;
const ITEMS = 12;
/** For a machine that has other things to do. Milliseconds. */
const SLACK_MS = 400;

/**
 * Reads and writes of all parties, each read compared with what it may not miss: writes that its own party acknowledged, those that were
 * acknowledged in its history, those of a party that has moved to its history, and after the grace all.
 */
export class FailoverFleet {
  readonly stale: string[] = [];
  readonly failures: unknown[] = [];
  reads = 0;
  hits = 0;
  writes = 0;
  readonly #writes = new Map<string, Write[]>();
  readonly #firstSeen = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();
  #isOn = true;
  readonly #loops: Promise<void>[] = [];

  constructor(
    readonly parties: Party[],
    private readonly counters: Counters,
    private readonly grace: number,
    private readonly random: () => number,
  ) {
    this.#loops.push(this.#watch());
    for (const party of parties) this.join(party);
  }

  /** Lets a party read and write until it is dead. */
  join(party: Party): void {
    if (!this.parties.includes(party)) this.parties.push(party);
    this.#loops.push(this.#run(party));
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await Promise.all(this.#loops);
    await Promise.all(this.#work);
  }

  async #run(party: Party): Promise<void> {
    for (let turn = 0; this.#isOn && !party.isDead; turn++) {
      this.#start(this.#read(party));
      if (turn % 8 === 0) this.#start(this.#write(party));
      await delay(5 + this.random() * 10);
    }
  }

  /** Histories are compared, so the grace, which is a part of the epoch, is cut off. */
  async #watch(): Promise<void> {
    while (this.#isOn) {
      for (const party of this.parties) this.#observe(party);
      await delay(3);
    }
  }

  #observe(party: Party): void {
    const epoch = epochOf(party.store);
    if (epoch === party.epoch) return;
    party.epoch = epoch;
    party.since = performance.now();
    if (epoch !== undefined && !this.#firstSeen.has(epoch)) this.#firstSeen.set(epoch, party.since);
  }

  #start(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  #key(): [shelf: number, item: number, key: string] {
    const [shelf, item] = [Math.floor(this.random() * SHELVES), Math.floor(this.random() * ITEMS)];
    return [shelf, item, `${shelf}/${item}`];
  }

  async #read(party: Party): Promise<void> {
    const [shelf, item, key] = this.#key();
    this.#observe(party);
    const floor = this.#floor(party, key);
    try {
      const { number, status } = await party.application.read(shelf, item);
      if (party.isDead) return;
      this.reads++;
      if (status === CacheStatus.HIT) {
        this.hits++;
        party.hits++;
      }
      if (number < floor.number) {
        const since = performance.now() - (this.#firstSeen.get(party.epoch ?? '') ?? 0);
        this.stale.push(
          `${party.name} read ${number} of ${key} (${status}), ${floor.number} was acknowledged: ${floor.why}; ${Math.round(since)} ms in its history`,
        );
      }
    } catch (error) {
      if (!party.isDead) this.failures.push(error);
    }
  }

  #floor(party: Party, key: string): { readonly number: number; readonly why: string } {
    const now = performance.now();
    const until = now - party.lag;
    const { epoch } = party;
    const isNewest = epoch !== undefined && epoch === [...this.#firstSeen.keys()].at(-1);
    const isOver = isNewest && now > this.#firstSeen.get(epoch)! + this.grace + SLACK_MS + party.lag;
    let found = { number: 0, why: '' };
    for (const { number, by, at, epoch: under } of this.#writes.get(key) ?? []) {
      if (number <= found.number) continue;
      const isTogether = epoch !== undefined && by.epoch === epoch && Math.max(by.since, party.since) < until;
      const why =
        (by === party && at < now && 'by itself') ||
        (at < until && under === epoch && under !== undefined && 'in its history') ||
        (at < until && !by.isDead && isTogether && `by ${by.name}, which has moved`) ||
        (at < until && isOver && 'before the end of the grace');
      if (why) found = { number, why };
    }
    return found;
  }

  async #write(party: Party): Promise<void> {
    const [shelf, item, key] = this.#key();
    const number = this.counters.write(key);
    this.writes++;
    try {
      const delivery = await party.application.method.deletePartition({ shelf, item });
      this.#observe(party);
      if (delivery !== 'delivered' || party.isDead) return;
      const write = { number, by: party, epoch: party.epoch, at: performance.now() };
      this.#writes.set(key, [...(this.#writes.get(key) ?? []).slice(-200), write]);
    } catch (error) {
      if (!party.isDead) this.failures.push(error);
    }
  }
}

/** The history that a store serves now, without the phase; `undefined` while it bypasses. */
function epochOf(store: CacheStore): string | undefined {
  const guarded = ((store as { l2?: CacheStore }).l2 ?? store) as unknown as {
    readonly inner: { readonly connection: { readonly epoch: string } };
  };
  try {
    return guarded.inner.connection.epoch.replace(/\.[01]$/, '');
  } catch {
    return undefined;
  }
}
