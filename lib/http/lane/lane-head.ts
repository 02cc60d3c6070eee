import type { Entry } from '../../stores/store.interface.js';
import { hitHeaders } from '../answer/hit-answer.js';
import { responseOf } from '../answer/stored-response.js';
import type { AddedHeaders } from '../platform.interface.js';
import type { CachedRoute } from '../route/cached-route.js';

/** Response headers that change while an entry is served, as `hitHeaders` spells them. */
const CHANGING = ['Age', 'Cache-Status'] as const;

/** The head of a hit, as names and values in turn. Age and the remaining lifetime are renewed each second. */
export class LaneHead {
  /** The response that it belongs to. */
  readonly serial: number;
  /** Times between which the lines are right. */
  #from = 0;
  #until = -1;

  /** @param lines the head that the pipeline sent, without the headers that Node adds to each response */
  constructor(
    readonly status: number,
    readonly lines: string[],
    private readonly route: CachedRoute,
    entry: Entry,
  ) {
    this.serial = responseOf(entry).serial;
  }

  /** Renews the lines. */
  renew(entry: Entry, now: number): void {
    if (now >= this.#from && now <= this.#until) return;
    const { cachedAt, freshUntil } = entry;
    const headers: AddedHeaders = hitHeaders(this.route, entry, now);
    for (const name of CHANGING) {
      const value = headers[name];
      if (value !== undefined) this.#replace(name.toLowerCase(), value);
    }
    this.#from = now;
    const age = Math.max(0, Math.ceil((now - cachedAt) / 1000));
    const left = Math.floor((freshUntil - now) / 1000);
    this.#until = Math.min(
      cachedAt + age * 1000,
      Number.isFinite(left) ? freshUntil - left * 1000 : Infinity,
    );
  }

  #replace(name: string, value: string): void {
    for (let index = 0; index < this.lines.length; index += 2)
      if (this.lines[index]!.toLowerCase() === name) this.lines[index + 1] = value;
  }
}
