import { LRUCache } from 'lru-cache';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { KeyRequest } from '../keys/key.interface.js';
import type { CachedRoute } from './route/cached-route.js';
import { isExplainToken } from './explain-token.js';
import { Explanation } from './explanation.js';

/** The header that asks for an explanation. */
const HEADER = 'x-cache-explain';

const MAX_KEYS = 10_000;

export type ExplainedRequest = Pick<KeyRequest, 'method' | 'url' | 'headers'>;

/** When a key was last seen in the cache, and what dropped it would have dropped. */
interface Sighting {
  readonly turn: number;
  readonly tags: readonly string[];
}

/** Knows whose requests are explained, and what became of the keys that it explained before. */
export class Explainer {
  readonly #seen = new LRUCache<string, Sighting>({ max: MAX_KEYS });

  constructor(
    private readonly runtime: CacheRuntime,
    /** `undefined` where no header may ask. */
    private readonly secret: string | undefined,
  ) {}

  /** @returns `undefined` for a request that is not to be explained */
  of(route: CachedRoute, request: ExplainedRequest): Explanation | undefined {
    if (!route.explains && this.secret === undefined) return undefined;
    const isSigned = this.#isSigned(request);
    return route.explains || isSigned ? new Explanation(this, route, request, isSigned) : undefined;
  }

  #isSigned({ headers }: ExplainedRequest): boolean {
    const token = headers[HEADER];
    if (token === undefined || this.secret === undefined) return false;
    return isExplainToken(this.secret, token, this.runtime.engine.clock.now());
  }

  /** A key is stored, with these tags. */
  saw(key: string, tags: readonly string[]): void {
    this.#seen.set(key, { turn: this.runtime.drops?.turn ?? 0, tags });
  }

  /** What dropped a key since it was seen, or, where it never was, what dropped one of its tags last. */
  causeOf(key: string, tags: readonly string[]): string | undefined {
    const seen = this.#seen.get(key);
    return this.runtime.drops?.lastOf(seen?.tags ?? tags, seen?.turn);
  }

  log(message: string): void {
    this.runtime.log.info(message);
  }
}
