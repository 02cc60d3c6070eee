import 'reflect-metadata';

/** Extension that marks operations of cached handlers until {@link documentCacheHeaders} has described them. */
const MARK = 'x-restflow-cache';

/** Where @nestjs/swagger keeps extensions of operations. Without it nobody reads them. */
const EXTENSIONS = 'swagger/apiExtension';

/** Lets documents of @nestjs/swagger know that a handler is cached. @param setCacheHeaders of its decorator */
export function markForOpenApi(handler: Function, setCacheHeaders: boolean | undefined): void {
  const others = Reflect.getMetadata(EXTENSIONS, handler) as object | undefined;
  const mark = { setCacheHeaders: setCacheHeaders ?? null };
  Reflect.defineMetadata(EXTENSIONS, { ...others, [MARK]: mark }, handler);
}

/**
 * The part of an OpenAPI document that is read and changed.
 *
 * @publicApi
 */
export interface OpenApiPaths {
  // An operation is described by many types of @nestjs/swagger.
  paths: object;
}

interface Operation {
  responses?: Record<string, { description?: string; headers?: Record<string, unknown> }>;
  [MARK]?: { readonly setCacheHeaders: boolean | null };
}

const text = (description: string, values?: readonly string[]): object => ({
  description,
  schema: values === undefined ? { type: 'string' } : { type: 'string', enum: values },
});

const CACHE_HEADERS = {
  'X-Cache-Status': text('Where the answer came from.', ['HIT', 'MISS', 'STALE', 'BYPASS', 'REFRESH']),
  'X-Cached-At': text('ISO 8601 time at which the answer was stored.'),
  'X-Cache-Reset-At': text('ISO 8601 time at which it stops being fresh.'),
  'Cache-Status': text('What the cache did (RFC 9211).'),
};

const VALIDATOR = { ETag: text('Validator of the answer, for If-None-Match.') };

/**
 * Describes in a document of @nestjs/swagger what `@CacheResponse` adds to answers: `ETag` and 304, and the headers that tell what the
 * cache did where they are on.
 *
 * @param options `setCacheHeaders` as in `forRoot()`, for handlers that say nothing of it; default false
 * @returns the same document
 * @example
 * SwaggerModule.setup('api', app, () => documentCacheHeaders(SwaggerModule.createDocument(app, config), { setCacheHeaders: true }));
 *
 * @publicApi
 */
export function documentCacheHeaders<Document extends OpenApiPaths>(
  document: Document,
  { setCacheHeaders = false }: { setCacheHeaders?: boolean | undefined } = {},
): Document {
  for (const methods of Object.values(document.paths) as Record<string, Operation | undefined>[]) {
    for (const [method, operation] of Object.entries(methods)) {
      const mark = operation?.[MARK];
      if (operation === undefined || mark === undefined) continue;
      describe(operation, method === 'get' || method === 'head', mark.setCacheHeaders ?? setCacheHeaders);
      delete operation[MARK];
    }
  }
  return document;
}

function describe(operation: Operation, isConditional: boolean, hasHeaders: boolean): void {
  const responses = (operation.responses ??= {});
  const headers = { ...(isConditional && VALIDATOR), ...(hasHeaders && CACHE_HEADERS) };
  for (const [status, response] of Object.entries(responses))
    if (/^(?:2|default)/.test(status)) response.headers = { ...headers, ...response.headers };
  if (isConditional)
    responses['304'] ??= { description: 'Not modified: the client has it already.', headers: { ...headers } };
}
