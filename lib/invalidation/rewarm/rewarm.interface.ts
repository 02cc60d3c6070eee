/**
 * A request that the application repeats to itself, so that its answer is cached.
 *
 * @publicApi
 */
export interface RewarmRequest {
  /**
   * The path and query of the handler, `/articles/intro`: asked with the hosts by which the handler was asked last. Or with a host,
   * `https://shop.example/articles/intro`.
   */
  readonly url: string;
  /** All that it carries: credentials, cookies and what the answer varies by. Default none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * A value that JSON hands on as it is.
 *
 * @publicApi
 */
export type RewarmValue = string | number | boolean;

/**
 * What is computed anew after an invalidation: the call of a method by its partition's values, or a request to a handler.
 *
 * @publicApi
 */
export interface Rewarm {
  /** The name under which it caches, e.g. `UsersService.find`. */
  readonly method: string;
  /** By partition field; of a method. */
  readonly values?: Readonly<Record<string, RewarmValue>> | undefined;
  /** Of a handler. */
  readonly request?: RewarmRequest | undefined;
}
