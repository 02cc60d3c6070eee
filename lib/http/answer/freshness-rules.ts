import type { Call } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Exchange } from '../exchange.js';
import type { Replacement } from '../platform.interface.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import type { AnswerRules } from './recorded-answer.js';
import type { Reuse } from './stale-responses.js';

/**
 * How routes with `freshness: 'ttl'` and with `freshness: 'headers'` differ: the interceptor and the recording of answers are
 * the same for both.
 */
export interface FreshnessRules {
  /** A HEAD that misses is a load: its answer may change what is stored for GET. */
  readonly loadsForHead: boolean;
  /** @returns how a stored response answers the request now, or why the handler is asked */
  reuse(exchange: Exchange, call: Call, entry: Entry): Reuse | 'stale' | 'request';
  /** @param reported for `Cache-Status`, where this is no plain hit */
  answer(exchange: Exchange, reuse: Reuse, now: number, reported?: CacheStatusParameters): Replacement;
  /**
   * Prepares a request for the handler.
   *
   * @param stale what is stored and may not answer as it is
   */
  begin(exchange: Exchange, call: Call, load: Load, stale: Entry | undefined): AnswerRules;
}
