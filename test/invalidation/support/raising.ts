import type { DispatcherSettings } from '../../../lib/index.js';

/** What `raiseException` of a rule, of its dispatcher and of the module make of a failure together. */
export const RAISING: readonly (readonly [
  rule: boolean | undefined,
  dispatcher: boolean | undefined,
  module: boolean | undefined,
  raises: boolean,
])[] = [
  [undefined, undefined, undefined, false],
  [undefined, undefined, true, true],
  [undefined, false, true, false],
  [undefined, true, false, true],
  [false, true, true, false],
  [true, false, false, true],
];

/** The options of a world that say so for the dispatcher `mine` and the module. */
export function raising(
  dispatcher: boolean | undefined,
  module: boolean | undefined,
): { readonly settings: DispatcherSettings; readonly raiseException?: boolean } {
  return {
    settings: dispatcher === undefined ? {} : { mine: { raiseException: dispatcher } },
    ...(module !== undefined && { raiseException: module }),
  };
}
