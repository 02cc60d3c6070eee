import { BRACKET_LIFE_MS } from '../rows/announced-statements.js';
import type { Pending } from './pending.js';

/**
 * The last resort for durable SQL whose after* hook never comes and whose runner is never used again: looked at about a
 * second later. One timer for all, which keeps no process alive.
 */
export class Unsettled {
  readonly #settle: (pending: Pending) => void;
  readonly #waiting = new Set<Pending>();
  #timer: NodeJS.Timeout | undefined;

  constructor(settle: (pending: Pending) => void) {
    this.#settle = settle;
  }

  add(pending: Pending): void {
    this.#waiting.add(pending);
    this.#timer ??= setTimeout(() => this.#look(), BRACKET_LIFE_MS + 1).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #look(): void {
    this.#timer = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const pending of waiting) {
      this.#settle(pending);
      if ([...pending.brackets.values()].some(({ durable }) => durable)) this.add(pending);
    }
  }
}
