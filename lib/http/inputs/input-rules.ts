import type { IsIgnoredCookie } from './cookies.js';

/** What the options of the module say of the inputs of requests. */
export interface InputRules {
  readonly isIgnoredCookie: IsIgnoredCookie;
  /** Lower-case names of request headers that choose no answer. */
  readonly ignoredHeaders: ReadonlySet<string>;
  /** Members of requests and responses that choose no answer, such as `'requestTime'` or `'locals.theme'`. */
  readonly ignoredProperties: ReadonlySet<string>;
  /** The application decides itself which requests carry credentials. */
  readonly hasOwnAuthentication: boolean;
  /** The ambient context stands in every key, so that loads may read it. */
  readonly hasKeyContext: boolean;
}
