/**
 * A response as `cacheIf`, `cacheUnless` and `ttl` functions see it.
 *
 * @publicApi
 */
export interface ResponseView {
  /** The status code. */
  readonly status: number;
  /** What the handler added to the headers; lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The bytes of the body. */
  readonly body: Buffer;
}
