import type { Call } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Exchange } from '../exchange.js';
import type { Replacement } from '../platform.interface.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import type { AnswerRules } from './recorded-answer.js';
import type { Reuse } from './stale-responses.js';

/**
 * The differences between routes with `freshness: 'ttl'` and `freshness: 'headers'`. The interceptor and the recording of answers serve
 * both.
 */
export interface FreshnessRules {
  /** True if a HEAD that misses is a load, because its answer may change the stored response for GET. */
  readonly loadsForHead: boolean;
  /** @returns how a stored response answers the request now, or why the request goes to the handler */
  reuse(exchange: Exchange, call: Call, entry: Entry): Reuse | 'stale' | 'request';
  /** @param reported parameters of `Cache-Status`, unless this is a plain hit */
  answer(exchange: Exchange, reuse: Reuse, now: number, reported?: CacheStatusParameters): Replacement;
  /**
   * Prepares a request for the handler.
   *
   * @param stale the stored response, which must not be served as it is
   */
  begin(exchange: Exchange, call: Call, load: Load, stale: Entry | undefined): AnswerRules;
}
