/**
 * What a key may be built from: one call of a decorated method, or one HTTP request to a decorated handler.
 *
 * On a controller handler `args` is empty: the key is built before pipes run, from the raw request alone.
 *
 * @publicApi
 */
export interface KeySource {
  /** The arguments of the call, as the caller passed them. */
  readonly args: readonly unknown[];
  /** The HTTP request, where there is one. */
  readonly request?: KeyRequest | undefined;
}

/**
 * The parts of an Express or Fastify request that key fields read.
 *
 * @publicApi
 */
export interface KeyRequest {
  /** Upper case. */
  readonly method?: string | undefined;
  /** As it came, with the query. */
  readonly url?: string | undefined;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Those of the route. */
  readonly params?: unknown;
  /** As the platform parses it. */
  readonly query?: unknown;
  /** As a parser made it; `undefined` where none did. */
  readonly body?: unknown;
  /** As a parser made them. */
  readonly cookies?: unknown;
  /** What a guard set. */
  readonly user?: unknown;
  /** What middleware set. */
  readonly session?: unknown;
}

/**
 * Where the raw value of a handler's argument comes from, as its Nest parameter decorator says.
 *
 * @publicApi
 */
export interface RouteArgument {
  /** The index of the argument in the handler's signature. */
  readonly index: number;
  readonly source: 'param' | 'query' | 'body' | 'header' | 'request' | 'other';
  /** The name given to the decorator, e.g. `'id'` in `@Param('id')`; `undefined` for the whole object. */
  readonly name?: string | undefined;
}

/**
 * What key fields may know about the decorated method when they are bound to it.
 *
 * @publicApi
 */
export interface MethodShape {
  /** The class that is decorated. */
  readonly className: string;
  /** The method that is decorated. */
  readonly methodName: string;
  /** Names of the declared parameters, in order; a destructured one has the name `''`. */
  readonly parameters: readonly string[];
  /** Whether the last parameter is a rest parameter (`...ids`). Default false. */
  readonly restParameter?: boolean | undefined;
  /** A method of a provider, or a handler. */
  readonly kind: 'result' | 'response';
  /** Only for `kind: 'response'`: what the handler's parameter decorators name. */
  readonly routeArguments?: readonly RouteArgument[] | undefined;
  /**
   * Only for `kind: 'response'`: the names of all parameters of the route's pattern, those of a global prefix included,
   * e.g. `['slug']` for `/articles/:slug`. They must be complete: `'*'` as a partition holds these and no others.
   */
  readonly routeParams?: readonly string[] | undefined;
}

/**
 * What is known only once the application has started.
 *
 * @publicApi
 */
export interface KeyEnvironment {
  /**
   * Describes the table of an entity: TypeORM's `EntityMetadata`, anything with `columns` and `relations` of that shape, or
   * any encodable value that changes when the table does. `undefined`: no data source knows the entity.
   */
  readonly describeEntity?: ((entity: unknown) => unknown) | undefined;
}

/**
 * Hashes a text that is too long, or too private, to stand in a key. Must be deterministic across processes.
 *
 * @publicApi
 */
export type KeyHash = (text: string) => string;

/** Module-wide settings that decide how keys are written. */
export interface KeySettings {
  /** A `node:crypto` digest name (default `'sha256'`) or a function. */
  readonly keyHashAlgorithm: string | KeyHash;
  /** Suffixes longer than this many characters are replaced by their hash. Default 250. */
  readonly maxKeySuffixLength: number;
  /** Whether a name may be that of a member of `keyContext`, which is a partition of every key. Default: none is. */
  readonly isContextMember?: ((name: string) => boolean) | undefined;
}

/**
 * The values of the partition fields a caller wants to drop by, e.g. `{ user: 42 }`.
 *
 * @publicApi
 */
export type PartitionValues = Readonly<Record<string, unknown>>;
