import { watchLoad } from '../observability/load-watch.js';
import type { MethodCounters } from '../observability/metrics.js';
import { Stamp } from '../stores/stamp.js';
import { allOrFirstError, isThenable } from '../common/async.js';
import type { BatchSeat, Call } from './engine/call.js';
import type { CacheEngine } from './engine/engine.js';
import { CacheUsageError } from '../common/errors.js';
import { assertLoader } from '../common/options.js';
import { currentLoad, LoadContext, runInLoad } from './engine/load-context.js';
import { isLocalStamp } from './engine/outage.js';

/** Loads the values of missing keys: one for each, in their order. */
export type BatchLoader = (missing: readonly string[]) => Promise<readonly unknown[]>;

/** One run of the loader, and its keys. */
interface Round {
  readonly keys: string[];
  /** All values depend on everything that the loader reads. */
  readonly context: LoadContext;
  readonly values: Promise<readonly unknown[]>;
  start(): void;
}

/**
 * Answers many calls together: reads cached values in one network wait, and loads missing ones by one run of a loader. The engine
 * answers each call as any other, so that it is shared, refreshed, stored and invalidated by itself. Only its load waits: the loader
 * runs once every call either wants to load or has left its seat.
 */
export class Batch {
  /** Calls that may still want to load. */
  #expected = 0;
  #round: Round | undefined;
  #needsGate = false;
  #patience = Infinity;

  constructor(
    private readonly engine: CacheEngine,
    private readonly loader: BatchLoader,
    private readonly counters: MethodCounters,
  ) {
    assertLoader(loader, 'getOrSetMany()');
  }

  /** Adds a key. Its call loads or leaves. */
  seat(key: string): Seat {
    this.#expected++;
    return new Seat(this, key);
  }

  /** @param calls of one store, each with its seat */
  async fetch(calls: readonly Call[]): Promise<unknown[]> {
    const asked = this.engine.reader.readMany(calls);
    // No await without a promise: calls of one turn of the event loop must find each other's loads.
    const readings = isThenable(asked) ? await asked : asked;
    this.#patience = calls[0]?.target.policy.hardTimeout ?? Infinity;
    this.#needsGate =
      currentLoad() === undefined &&
      readings.some((reading) => reading instanceof Stamp && isLocalStamp(reading));
    return allOrFirstError(
      calls.map(async (call, i) => {
        try {
          return await this.engine.answer(call, readings[i]);
        } finally {
          call.target.seat?.leave();
        }
      }),
    );
  }

  /** Loads all without reading or storing. */
  async bypass(keys: readonly string[]): Promise<unknown[]> {
    this.counters.bypasses += keys.length;
    // A list of its own: a loader may take its elements out.
    const values: unknown = await this.loader([...keys]);
    assertOneEach(values, keys.length);
    return [...values];
  }

  async load(key: string, seat: BatchSeat): Promise<unknown> {
    // The engine runs each load in its own context.
    const own = currentLoad()!;
    const round = (this.#round ??= this.#openRound(own));
    const at = round.keys.push(key) - 1;
    seat.leave();
    try {
      return (await own.awaiting(round.context, () => round.values))[at];
    } finally {
      own.absorb(round.context);
    }
  }

  left(): void {
    if (--this.#expected === 0) this.#startRound();
  }

  #openRound({ store, tableTags }: LoadContext): Round {
    const keys: string[] = [];
    const context = new LoadContext(store);
    context.tableTags = tableTags;
    let start = (): void => undefined;
    const started = new Promise<void>((resolve) => (start = resolve));
    // Refreshes and retries come after all calls have left: those of one turn of the event loop share a run.
    if (this.#expected === 0) setImmediate(() => this.#startRound());
    return { keys, context, start, values: started.then(() => this.#run(keys, context)) };
  }

  #startRound(): void {
    this.#round?.start();
    this.#round = undefined;
  }

  async #run(keys: readonly string[], context: LoadContext): Promise<readonly unknown[]> {
    const leave = this.#needsGate ? await this.engine.gate.enter(this.#patience) : undefined;
    try {
      return await watchLoad(this.counters, this.engine.clock, async () => {
        const values: unknown = await runInLoad(context, () => this.loader([...keys]));
        assertOneEach(values, keys.length);
        return values;
      });
    } finally {
      context.close();
      leave?.();
    }
  }
}

/** The place of one key in a batch. */
class Seat implements BatchSeat {
  #isExpected = true;

  constructor(
    private readonly batch: Batch,
    private readonly key: string,
  ) {}

  /** The value of the key, from a run of the loader for all that are missing. */
  readonly load = (): Promise<unknown> => this.batch.load(this.key, this);

  leave(): void {
    if (!this.#isExpected) return;
    this.#isExpected = false;
    this.batch.left();
  }
}

function assertOneEach(values: unknown, count: number): asserts values is readonly unknown[] {
  if (Array.isArray(values) && values.length === count) return;
  throw new CacheUsageError(
    'CACHE_BATCH',
    `The loader of getOrSetMany() must answer one value for each of the ${count} keys it was given, in their order; it ` +
      `answered ${Array.isArray(values) ? `${values.length} values` : typeof values}.`,
  );
}
