/**
 * The `code` of a {@link KeyError}.
 *
 * @publicApi
 */
export type KeyErrorCode =
  'KEY_DEFINITION' | 'KEY_UNENCODABLE' | 'KEY_PARTITION' | 'KEY_NO_REQUEST' | 'KEY_HASH';

/**
 * Base class of every error about keys. `code` is stable; messages may be reworded.
 *
 * @example
 * ```ts
 * if (error instanceof KeyError && error.code === 'KEY_PARTITION') …
 * ```
 * @publicApi
 */
export class KeyError extends Error {
  override readonly name: string = 'KeyError';

  /**
   * @param code code of the problem, for programs
   * @param message the problem, where it is, and what to write instead
   */
  constructor(
    readonly code: KeyErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * A key constructor is invalid, or does not fit its method. Thrown when it is bound, never during a call.
 *
 * @publicApi
 */
export class KeyDefinitionError extends KeyError {
  override readonly name = 'KeyDefinitionError';

  constructor(message: string) {
    super('KEY_DEFINITION', message);
  }
}

/**
 * A value has no canonical encoding (a function, a stream, an EntityManager …), so the call cannot be given a key.
 * The engine lets such a call bypass the cache.
 *
 * @publicApi
 */
export class UnencodableError extends KeyError {
  override readonly name = 'UnencodableError';

  /**
   * @param path path to the part without an encoding; empty for the value itself
   * @param reason what the value is, e.g. `'a function'`
   * @param where the class and method of the key, if known
   */
  constructor(
    readonly path: readonly string[],
    readonly reason: string,
    readonly where?: string,
    options?: ErrorOptions,
  ) {
    super(
      'KEY_UNENCODABLE',
      `${where === undefined ? '' : `${where}: `}the value${path.length === 0 ? '' : ` at "${path.join('.')}"`} is ` +
        `${reason}, which cannot be part of a key. Leave it out (ArgsKeyField('*', { except: [...] })), name the ` +
        `arguments that matter, or reduce it to plain data with { path } or { normalizer }.`,
      options,
    );
  }
}

/**
 * The given values name a partition that entries carry no tag for.
 *
 * @publicApi
 */
export class PartitionError extends KeyError {
  override readonly name = 'PartitionError';

  constructor(message: string) {
    super('KEY_PARTITION', message);
  }
}
