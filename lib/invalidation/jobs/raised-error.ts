import { RestflowCacheError } from '../../common/errors.js';
import { messageOf } from '../../common/messages.js';

/**
 * An invalidation failed after its change was committed, and its rule, its dispatcher or the module says
 * `raiseException: true`: the write rejects with this, though its data is there. `cause` is what went wrong.
 *
 * @publicApi
 */
export class InvalidationFailedError extends RestflowCacheError {
  constructor(cause: unknown) {
    super(
      'INVALIDATION_FAILED',
      `The change was committed, but its invalidation failed: ${messageOf(cause)}`,
      { cause },
    );
  }
}
