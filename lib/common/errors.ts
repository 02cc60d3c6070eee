/**
 * Base of the errors of the cache, its options and its rules. `code` is stable; the message says what is wrong, where, and what to write.
 * Errors about keys are `KeyError`s, and values of a wrong type or unit are TypeErrors, both with a `code` as well.
 *
 * @example
 * if (error instanceof RestflowCacheError && error.code === 'CACHE_NOT_CACHED') …
 *
 * @publicApi
 */
export class RestflowCacheError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * A decorator, rule or module option that cannot work; thrown when the decorator runs or the application boots. Codes: `CACHE_OPTION`,
 * `CACHE_RESPONSE_OPTION`, `CACHE_STORE`, `CACHE_METHOD`, `CACHE_KEY_BODY`, `INVALIDATION_ENTITY` and others that begin so.
 *
 * @publicApi
 */
export class CacheConfigurationError extends RestflowCacheError {}

/**
 * A call on `CacheService` or a cached method that cannot work, e.g. with an unknown partition. Codes: `CACHE_STAMP`, `CACHE_HANDLER` and
 * others that begin with `CACHE_`.
 *
 * @publicApi
 */
export class CacheUsageError extends RestflowCacheError {}

/**
 * A load took longer than its `hardTimeout`. It goes on in the background, and its value is stored. Code: `CACHE_TIMEOUT`.
 *
 * @example
 * try {
 *   return await this.rates.latest();
 * } catch (error) {
 *   if (error instanceof CacheTimeoutError) return this.rates.estimate();
 *   throw error;
 * }
 *
 * @publicApi
 */
export class CacheTimeoutError extends RestflowCacheError {
  constructor(method: string, timeout: number) {
    super('CACHE_TIMEOUT', `${method} did not answer within its hardTimeout of ${timeout} ms.`);
  }
}

/** A TypeError with a code, for values of the wrong type or unit. */
export class CacheOptionTypeError extends TypeError {
  readonly code = 'CACHE_OPTION_TYPE';
}
