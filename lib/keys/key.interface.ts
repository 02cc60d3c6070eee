/**
 * Input of a key: one call of a decorated method, or one HTTP request to a decorated handler.
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
  /** Unchanged, with the query. */
  readonly url?: string | undefined;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Route parameters. */
  readonly params?: unknown;
  /** As the platform parses it. */
  readonly query?: unknown;
  /** As a parser made it; `undefined` without one. */
  readonly body?: unknown;
  /** As a parser made them. */
  readonly cookies?: unknown;
  /** Set by a guard. */
  readonly user?: unknown;
  /** Set by middleware. */
  readonly session?: unknown;
}

/**
 * Source of the raw value of a handler's argument, according to its Nest parameter decorator.
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
 * The decorated method, as key fields see it when they are bound.
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
  /** True if the last parameter is a rest parameter (`...ids`). Default false. */
  readonly restParameter?: boolean | undefined;
  /**
   * True if it may take more arguments than are declared here, as a method that another decorator wraps. Then an index may name any
   * argument. Default false.
   */
  readonly hasUnknownArity?: boolean | undefined;
  /** A method of a provider, or a handler. */
  readonly kind: 'result' | 'response';
  /** Only for `kind: 'response'`: the handler's parameter decorators. */
  readonly routeArguments?: readonly RouteArgument[] | undefined;
  /**
   * Only for `kind: 'response'`: the names of all parameters of the route's pattern, those of a global prefix included,
   * e.g. `['slug']` for `/articles/:slug`. They must be complete: `'*'` as a partition holds these and no others.
   */
  readonly routeParams?: readonly string[] | undefined;
}

/**
 * Information that is available once the application has started.
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
 * Hashes a text that is too long, or too private, for a key. Must return the same in every process.
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
  /** True if a name may be that of a member of `keyContext`, which is a partition of every key. Default: none is. */
  readonly isContextMember?: ((name: string) => boolean) | undefined;
}

/**
 * Values of partition fields, e.g. `{ user: 42 }`, whose entries are to be dropped.
 *
 * @publicApi
 */
export type PartitionValues = Readonly<Record<string, unknown>>;
