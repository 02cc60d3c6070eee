/**
 * The names of the channels of `node:diagnostics_channel` that tell what the cache does, of every application of the process. What nobody
 * subscribes to costs nothing, and hits tell nothing at all.
 *
 * - `load`: a tracing channel around each load, with a {@link LoadEvent}: `tracingChannel(CACHE_CHANNELS.load)`.
 * - `invalidate`: each invalidation, with an {@link InvalidateEvent}.
 * - `store`: a shared store that goes or is back, with a {@link StoreEvent}.
 *
 * Keys, arguments and values are in none of them.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel';
 * subscribe(CACHE_CHANNELS.store, (event) => pager.say(event as StoreEvent));
 *
 * @publicApi
 */
export const CACHE_CHANNELS = {
  load: 'nestjs-restflow-cache:load',
  invalidate: 'nestjs-restflow-cache:invalidate',
  store: 'nestjs-restflow-cache:store',
} as const;
