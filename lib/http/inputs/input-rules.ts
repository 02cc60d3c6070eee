import type { IsIgnoredCookie } from './cookies.js';

/** Options of the module about the inputs of requests. */
export interface InputRules {
  readonly isIgnoredCookie: IsIgnoredCookie;
  /** Lower-case names of request headers on which no answer depends. */
  readonly ignoredHeaders: ReadonlySet<string>;
  /** Members of requests and responses on which no answer depends, such as `'requestTime'` or `'locals.theme'`. */
  readonly ignoredProperties: ReadonlySet<string>;
  /** True if the application decides itself which requests carry credentials. */
  readonly hasOwnAuthentication: boolean;
  /** True if every key contains the ambient context, so that loads may read it. */
  readonly hasKeyContext: boolean;
}
