import { setTimeout as delay } from 'node:timers/promises';
import { CacheStatus } from '../../../lib/index.js';
import { Acknowledged, type Counters } from './counters.js';
import { LOAD_MS, type ShopApplication } from './shop.js';

/** One of several that read and write the same things through caches of their own. */
export interface Party {
  readonly name: string;
  readonly application: ShopApplication;
  /** It may serve what another invalidated for so long, in milliseconds; what it invalidated itself never. */
  readonly lag: number;
  hits: number;
}

export interface Findings {
  reads: number;
  hits: number;
  /** Reads that brought less than was acknowledged when they began. */
  readonly stale: string[];
  readonly failures: unknown[];
  /** What the slowest read took beyond its own load, in milliseconds. */
  slowest: number;
  /** Invalidations that did not reach the store at once. */
  late: number;
  /** The longest that this process did not get to run, in milliseconds: that of the machine, not of the cache. */
  stalled: number;
}

const TICK_MS = 20;
const SHELVES = 4;
const ITEMS = 6;

/** A few hundred reads and some writes a second, by all parties, each of them checked. */
export class Traffic {
  readonly findings: Findings = {
    reads: 0,
    hits: 0,
    stale: [],
    failures: [],
    slowest: 0,
    late: 0,
    stalled: 0,
  };
  readonly #own = new Map<Party, Acknowledged>();
  readonly #shared = new Acknowledged();
  readonly #pending = new Set<Promise<void>>();
  #isOn = true;
  readonly #done: Promise<unknown>;

  constructor(
    private readonly counters: Counters,
    private readonly parties: readonly Party[],
  ) {
    for (const party of parties) this.#own.set(party, new Acknowledged());
    this.#done = Promise.all([
      ...parties.map((party) => this.#readers(party)),
      this.#writer(),
      this.#watchMachine(),
    ]);
  }

  async stop(): Promise<Findings> {
    this.#isOn = false;
    await this.#done;
    await Promise.all(this.#pending);
    return this.findings;
  }

  /** Reads everything at every party: now that all is well again nobody may be behind. */
  async readAll(): Promise<void> {
    for (const party of this.parties)
      for (let at = 0; at < SHELVES * ITEMS; at++) await this.#read(party, at % SHELVES, at % ITEMS, true);
  }

  async #readers(party: Party): Promise<void> {
    while (this.#isOn) {
      for (let i = 0; i < 3; i++) this.#start(this.#read(party, random(SHELVES), random(ITEMS)));
      await delay(15);
    }
  }

  async #writer(): Promise<void> {
    for (let turn = 0; this.#isOn; turn++) {
      this.#start(this.#write(this.parties[turn % this.parties.length]!, random(SHELVES), random(ITEMS)));
      await delay(20);
    }
  }

  async #watchMachine(): Promise<void> {
    while (this.#isOn) {
      const before = performance.now();
      await delay(TICK_MS);
      this.findings.stalled = Math.max(this.findings.stalled, performance.now() - before - TICK_MS);
    }
  }

  #start(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  async #read(party: Party, shelf: number, item: number, mustBeNow = false): Promise<void> {
    const key = `${shelf}/${item}`;
    const floor = mustBeNow
      ? this.counters.read(key)
      : Math.max(this.#own.get(party)!.floor(key), this.#shared.floor(key, party.lag));
    const began = performance.now();
    try {
      const { number, status } = await party.application.read(shelf, item);
      this.findings.reads++;
      if (status === CacheStatus.HIT) {
        this.findings.hits++;
        party.hits++;
      }
      this.findings.slowest = Math.max(this.findings.slowest, performance.now() - began - LOAD_MS);
      if (number < floor)
        this.findings.stale.push(`${party.name} read ${number} of ${key}, but ${floor} was acknowledged`);
    } catch (error) {
      this.findings.failures.push(error);
    }
  }

  async #write(party: Party, shelf: number, item: number): Promise<void> {
    const key = `${shelf}/${item}`;
    const number = this.counters.write(key);
    const bumped = party.application.method
      .deletePartition(Math.random() < 0.2 ? { shelf } : { shelf, item })
      .then((delivery) => delivery === 'delivered');
    const reached = await bumped;
    this.#own.get(party)!.note(key, number);
    if (reached) this.#shared.note(key, number);
    else this.findings.late++;
  }
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}
