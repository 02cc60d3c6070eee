import { StoreRefusedError, StoreUnavailableError } from '../store.interface.js';

/** What a Redis answers that cannot be asked now: it loads its data, is no master, or lost its Cluster. */
const NOT_NOW = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|READONLY)\b/;

/** Whether Redis says that it is no master: what is read from it may be old. */
export function isDemotion(error: unknown): boolean {
  return isAnswer(error) && error.message.startsWith('READONLY');
}

/**
 * Why a read failed. Without an answer, or where Redis says it cannot answer now, it is not available; any other answer
 * (e.g. NOPERM, WRONGTYPE) is something that somebody has to repair, and goes on as it is.
 */
export function readError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message) ? error : unavailable(error);
}

/** Why a write failed: Redis refused it (it is read-only, full, or misses its replicas), or did not answer. */
export function writeError(error: unknown): unknown {
  return isAnswer(error) && !NOT_NOW.test(error.message)
    ? new StoreRefusedError(error.message, { cause: error })
    : unavailable(error);
}

/** ioredis tells an error that Redis answered from its own by the name. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function unavailable(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  return new StoreUnavailableError(error instanceof Error ? error.message : String(error), { cause: error });
}
