import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../common/async.js';
import { CacheConfigurationError } from '../../common/errors.js';
import { systemClock } from '../../common/time.js';
import type { ChangeSource, ChangeSourceHost } from '../../invalidation/change.interface.js';
import type { ChangeSourceState } from '../../observability/metrics.js';

/** One process at a time reads a log: the others ask this often whether it is free. Milliseconds. */
export const ELECTION_MS = 1_000;

const ANSWER_MS = 5_000;
const START_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Reads one log of changes, over connections that may be lost. */
export interface LogReader {
  /** The function that makes it, e.g. `pgOutputChanges`. */
  readonly name: string;
  /**
   * Connects, waits until no other process reads the log, and reads until `signal` is aborted or the connection is lost. It may
   * report, and rejects with a {@link CacheConfigurationError} what no second attempt can mend.
   */
  read(session: LogSession): Promise<void>;
  /** Age of the oldest change that was read and is not delivered. Seconds. */
  readonly lagSeconds: number;
}

export interface LogSession {
  readonly host: ChangeSourceHost;
  readonly signal: AbortSignal;
  /** Another process reads the log. */
  standby(): void;
  /** This process reads the log. */
  consuming(): void;
}

/** A change source that reads a log: it connects again whenever the connection is lost. */
export class LogConsumer implements ChangeSource {
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #role: ChangeSourceState['role'] = 'down';
  #downSince = Date.now();

  constructor(private readonly reader: LogReader) {}

  /** Resolves when the log is read here or elsewhere, the first attempt has failed, or five seconds have passed. */
  start(host: ChangeSourceHost): Promise<void> {
    const begun = new Promise<void>((resolve, reject) => {
      this.#running = this.#run(host, resolve, reject).finally(resolve);
    });
    return within(systemClock, START_MS, begun);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  state(): ChangeSourceState {
    const { name, lagSeconds } = this.reader;
    const isDown = this.#role === 'down';
    return {
      name,
      role: this.#role,
      lagSeconds: isDown ? (Date.now() - this.#downSince) / 1_000 : lagSeconds,
    };
  }

  async #run(host: ChangeSourceHost, begun: () => void, refused: (error: unknown) => void): Promise<void> {
    const { signal } = this.#closing;
    const { name } = this.reader;
    let pause = FIRST_PAUSE_MS;
    let hasBegun = false;
    const became = (role: ChangeSourceState['role']): void => {
      this.#role = role;
      pause = FIRST_PAUSE_MS;
      hasBegun = true;
      begun();
    };
    const standby = (): void => {
      became('standby');
      if (host.isShared) return;
      const message =
        `${name}() reads nothing in this process, since another one reads the log and no store is shared: entries of this process ` +
        `stay until their TTL. Write forRoot({ store: redisStore(…) }) or tieredStore(…), or give each process a name of its own`;
      host.failed(`${name} store`, message, new Error('The log has one consumer.'));
    };
    while (!signal.aborted) {
      try {
        await this.reader.read({ host, signal, standby, consuming: () => became('consumer') });
      } catch (error) {
        if (signal.aborted) return;
        // The boot fails by it, unless it has not waited for it.
        if (error instanceof CacheConfigurationError && !hasBegun) return refused(error);
        const message = `${name}() is not connected, so writes of other programs do not invalidate until it is. It reconnects by itself`;
        host.failed(`${name} connection`, message, error);
      }
      if (this.#role !== 'down') this.#downSince = Date.now();
      this.#role = 'down';
      hasBegun = true;
      begun();
      await delay(pause * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(
        () => undefined,
      );
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }
}

/** Waits for the database, at most five seconds. */
export async function answered<T>(work: Promise<T>): Promise<T> {
  return within(systemClock, ANSWER_MS, work, () => {
    throw new Error(`The database did not answer within ${ANSWER_MS} ms.`);
  });
}

/** Waits between two looks at a log that another process reads. */
export function untilNextElection(signal: AbortSignal): Promise<void> {
  return delay(ELECTION_MS, undefined, { signal, ref: false }).catch(() => undefined);
}

export function refusal(source: string, problem: string, line: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_CHANGE_SOURCE', `${source}(): ${problem} Write ${line}`);
}
