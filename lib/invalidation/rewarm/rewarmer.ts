import { within } from '../../common/async.js';
import { AsyncResource } from 'node:async_hooks';
import { excerpt } from '../../common/messages.js';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import type { Rewarm } from './rewarm.js';
import { RewarmSigner } from './rewarm-signer.js';

/**
 * Has one entry cached anew, in this process.
 * @param isTrusted whether it is known to come from this application
 * @returns why it cannot be done here; rejects with what the method threw
 */
export type RunRewarm = (rewarm: Rewarm, isTrusted: boolean) => Promise<string | undefined>;

/** Entries that are computed at one time, so that the database has time for requests. */
const MAX_RUNNING = 4;

/** Entries that wait to be computed; beyond it they stay dropped. */
const MAX_WAITING = 1_000;

/** A write waits this long for what it has computed anew. Milliseconds. */
const MAX_PATIENCE = 100;

/** For so long no write waits after one that waited in vain. Milliseconds. */
const IMPATIENCE = 10_000;

/** The shutdown waits this long. Milliseconds. */
const MAX_DRAIN = 5_000;

/** Methods that the log names one by one. */
const MAX_NAMED = 200;

/** A name that may stand in the log as it is. */
const METHOD_NAME = /^[\x20-\x7e]{1,200}$/;

interface Task {
  readonly rewarm: Rewarm;
  /** With what the method threw; never rejects. */
  readonly done: Promise<unknown>;
  readonly settle: (error?: unknown) => void;
}

/** Computes entries anew after they were invalidated: beside the requests, a few at one time, each key once. */
export class Rewarmer {
  readonly #waiting = new Map<string, Task>();
  readonly #running = new Set<Promise<void>>();
  /** What is computed must not depend on the request whose write asked for it. */
  readonly #scope = new AsyncResource('RestflowCacheRewarm');
  readonly #named = new Set<string>();
  #isAwaited = false;
  #patientFrom = 0;
  #isClosed = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    private readonly run: RunRewarm,
    readonly signer = new RewarmSigner(),
  ) {}

  /**
   * To be called once the invalidation is done. What already waits under a key is computed once; what runs under it may have begun
   * before, and is computed again.
   * @returns when all is done, what went wrong with each; never rejects
   */
  add(rewarms: readonly Rewarm[] = []): Promise<readonly unknown[]> {
    const done = rewarms.map((rewarm) => this.#add(rewarm));
    while (this.#running.size < MAX_RUNNING && this.#waiting.size > 0) this.#work();
    return Promise.all(done);
  }

  /**
   * The same, for a write that waits. It holds a connection of the pool, which the others need to compute anything: so one write waits
   * at a time, and none for a while after one did in vain.
   */
  async addFor(rewarms: readonly Rewarm[] = []): Promise<readonly unknown[]> {
    const done = this.add(rewarms);
    if (rewarms.length === 0 || this.#isAwaited || this.clock.now() < this.#patientFrom) return [];
    this.#isAwaited = true;
    const errors = await within(this.clock, MAX_PATIENCE, done, () => {
      this.#patientFrom = this.clock.now() + IMPATIENCE;
      return [];
    });
    this.#isAwaited = false;
    return errors;
  }

  /** Computes what waits, for at most {@link MAX_DRAIN}; from then on nothing. */
  async close(): Promise<void> {
    const idle = async (): Promise<void> => {
      while (this.#running.size > 0 && !this.#isClosed) await Promise.race(this.#running);
    };
    await within(this.clock, MAX_DRAIN, idle());
    this.#isClosed = true;
    const left = this.#waiting.size + this.#running.size;
    if (left > 0)
      this.log.warn(
        'rewarm close',
        `${left} entries were not recomputed before the shutdown, they stay dropped.`,
      );
    for (const task of this.#waiting.values()) task.settle();
    this.#waiting.clear();
  }

  #add(rewarm: Rewarm): Promise<unknown> {
    const key = JSON.stringify(rewarm, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const known = this.#waiting.get(key);
    if (known !== undefined) return known.done;
    if (this.#isClosed) return Promise.resolve();
    if (this.#waiting.size >= MAX_WAITING) {
      this.#say(rewarm, `more than ${MAX_WAITING} entries wait to be recomputed`);
      return Promise.resolve();
    }
    let settle: Task['settle'] = () => undefined;
    const done = new Promise<unknown>((resolve) => (settle = resolve));
    this.#waiting.set(key, { rewarm, done, settle });
    return done;
  }

  #work(): void {
    const [key, task] = this.#waiting.entries().next().value!;
    this.#waiting.delete(key);
    const running = this.#scope
      .runInAsyncScope(() => this.#try(task.rewarm))
      .then(task.settle)
      .finally(() => {
        this.#running.delete(running);
        if (this.#waiting.size > 0) this.#work();
      });
    this.#running.add(running);
  }

  /** @returns what the method threw */
  async #try(rewarm: Rewarm): Promise<unknown> {
    try {
      const { signer } = this;
      const reason = signer.refusalOf(rewarm) ?? (await this.run(rewarm, signer.trusts(rewarm)));
      if (reason !== undefined) this.#say(rewarm, reason);
      return undefined;
    } catch (error) {
      this.#say(rewarm, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      return error ?? new Error('It failed without an error.');
    }
  }

  /** Jobs may name any method: those that a queue invents share a topic. */
  #say({ method }: Rewarm, reason: string): void {
    if (this.#named.size < MAX_NAMED && METHOD_NAME.test(method)) this.#named.add(method);
    const isNamed = this.#named.has(method);
    this.log.warn(
      `rewarm ${isNamed ? method : ''} ${kindOfReason(reason)}`,
      `${isNamed ? method : excerpt(method)} was not recomputed after a change, it stays dropped: ${reason}.`,
    );
  }
}

/** What stands before the first value or path: there is no end to those, and the log keeps a topic for each kind. */
export function kindOfReason(reason: string): string {
  return reason.split(/[:/"]/, 1)[0]!;
}
