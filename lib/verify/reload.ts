import type { Call } from '../cache/engine/call.js';
import { LoadContext, runInLoad, runOutsideLoads } from '../cache/engine/load-context.js';
import { Unstorable } from '../cache/values/snapshot.js';
import { within } from '../common/async.js';
import type { Clock } from '../common/time.js';
import { ComparedValue } from './compared-value.js';

/** A load that takes longer has failed. Milliseconds. */
const MAX_LOAD_MS = 30_000;

/** Result of a load that was repeated. */
export interface Reloaded {
  readonly value: ComparedValue;
  readonly context: LoadContext;
}

/** A response that a repeated request got. */
export interface ReloadedResponse {
  /** Stored form. */
  readonly stored: unknown;
  readonly context: LoadContext;
}

/** Sends the request of a call again; `undefined` if it cannot be sent, or would not make the same key. */
export type RepeatRequest = (
  call: Call,
  context: LoadContext,
) => Promise<ReloadedResponse | undefined> | undefined;

/**
 * Runs the load of a call for its value alone: past the cache, uncounted, from the primary unless `fromReplica`. Nothing is stored, and no
 * other call gets the value.
 *
 * @returns `undefined` if the load cannot be repeated
 * @throws what the load throws, and an Error if it takes too long
 */
export async function reload(
  clock: Clock,
  call: Call,
  repeatRequest: RepeatRequest | undefined,
  fromReplica = false,
): Promise<Reloaded | undefined> {
  const { store, values } = call.target;
  const context = new LoadContext(store);
  context.isVerification = true;
  context.readsReplica = fromReplica;
  // The key was made by the call that was served: inputs are not judged again.
  context.inputSink = () => undefined;
  const late = (): never => {
    throw new Error(`a repeated load took longer than ${MAX_LOAD_MS / 1_000} s`);
  };
  if (call.request !== undefined) {
    const answer = runOutsideLoads(() => repeatRequest?.(call, context));
    const response = answer && (await within(clock, MAX_LOAD_MS, answer, late));
    return response && { value: new ComparedValue(values, response.stored), context };
  }
  try {
    const loading = runOutsideLoads(() => runInLoad(context, () => call.target.load(call)));
    const prepared = values.prepare(await within(clock, MAX_LOAD_MS, loading, late));
    if (prepared instanceof Unstorable) return undefined;
    return { value: new ComparedValue(values, prepared.stored), context };
  } finally {
    context.close();
  }
}
