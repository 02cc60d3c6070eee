import type { Call } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Exchange } from '../exchange.js';
import type { StoredResponse } from '../answer/stored-response.js';

/** One request on its way through a route with `freshness: 'headers'`. */
export interface SharedExchange extends Exchange {
  readonly call: Call;
  /** It carries credentials: then its answer is shared only if that says so (RFC 9111 §3.5). */
  readonly isAuthenticated: boolean;
}

/** One run of the handler, for a request that nothing stored could answer. */
export interface SharedLoad extends SharedExchange {
  readonly load: Load;
  /** What is stored and may be freshened, or stand in for an error. */
  readonly stored: StoredResponse | undefined;
  /** The handler was asked whether the stored response is still good. */
  readonly isValidation: boolean;
}
