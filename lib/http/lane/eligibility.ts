import { ResponseCacheKeyConstructor } from '../../keys/index.js';
import { holdsEntries } from '../../stores/store.interface.js';
import type { CachedRoute } from '../route/cached-route.js';

/** A reason that keeps a route out of the lane, and what to write. */
type Rule = readonly [applies: (route: CachedRoute, isPlain: boolean) => boolean, why: string];

/** Everything in the declaration of a route that the pipeline asks for each request, and that the lane cannot know. */
const RULES: readonly Rule[] = [
  [({ options }) => options.everything !== undefined, 'cacheEverything caches it; decorate it'],
  [
    (_route, isPlain) => !isPlain,
    'a guard, @Header(), a request-scoped provider, or a host or version outside of the path is evaluated for each request; remove fastLane',
  ],
  [
    ({ target }) => !holdsEntries(target.store),
    'its store keeps no entries in the memory of this process; use memoryStore(), or tieredStore() with a bus',
  ],
  [({ options }) => options.bypass !== undefined, 'its option bypass is evaluated for each request'],
  [
    ({ options }) => options.conditional === 'handler',
    `its handler evaluates conditions; remove conditional: 'handler'`,
  ],
  [({ explains }) => explains, 'each answer is explained; remove explain'],
  [
    ({ options, target }) =>
      options.query === undefined && target.definition.keyConstructor !== ResponseCacheKeyConstructor,
    'its keyConstructor may read any part of a request; use the options query and vary',
  ],
  [({ inputs }) => inputs.hasKeyContext, 'keyContext is evaluated for each request'],
  [
    ({ inputs, options }) => inputs.hasOwnAuthentication && !options.shared,
    'isAuthenticated is evaluated for each request; write shared: true if its answer is the same for all',
  ],
];

/** @param isPlain true if Nest's pipeline has no effect before the interceptors of the route */
export function whyNotInLane(route: CachedRoute, isPlain: boolean): string | undefined {
  return RULES.find(([applies]) => applies(route, isPlain))?.[1];
}
