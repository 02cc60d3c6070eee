import type { MethodCounters } from '../../observability/metrics.js';
import type { Call } from './call.js';

/** Counts a call that loads by what its caller is told in the end. */
export async function counted(
  call: Call,
  loading: Promise<unknown>,
  counters: MethodCounters,
): Promise<unknown> {
  try {
    return await loading;
  } finally {
    counters.count(call.status);
  }
}
