/** Kinds are words of the code. Should they ever depend on requests, a scrape must not grow with them. */
const MAX_KINDS = 50;

/** Takes the place of further kinds. */
const OTHER = 'other';

/** Why a method's values were not stored, or its cache was not asked. */
export interface RefusalReport {
  /** One word, e.g. `cookie`. */
  readonly kind: string;
  /** Number of occurrences. */
  readonly count: number;
  /** The last cause, with the line to write; names of headers and cookies, never their values. */
  readonly reason: string | undefined;
}

/** Counts refusals of one method by kind. */
export class RefusalCounts {
  readonly #kinds = new Map<string, { count: number; reason: string | undefined }>();

  count(kind: string, reason?: string): void {
    const name = this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : OTHER;
    const refusal = this.#kinds.get(name);
    if (refusal === undefined) this.#kinds.set(name, { count: 1, reason });
    else {
      refusal.count++;
      refusal.reason = reason ?? refusal.reason;
    }
  }

  /** Keeps the cause of a refusal that is counted elsewhere. */
  explain(kind: string, reason: string): void {
    const refusal = this.#kinds.get(kind);
    if (refusal !== undefined) refusal.reason = reason;
    else if (this.#kinds.size < MAX_KINDS) this.#kinds.set(kind, { count: 0, reason });
  }

  report(): readonly RefusalReport[] {
    return [...this.#kinds].map(([kind, { count, reason }]) => ({ kind, count, reason }));
  }
}
