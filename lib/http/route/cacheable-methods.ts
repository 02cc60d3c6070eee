import { CacheConfigurationError } from '../../common/errors.js';

/** Methods whose answers may be reused; all others change something, which a hit would leave undone. */
const REUSABLE = ['GET', 'POST', 'QUERY', 'SEARCH', 'REPORT', 'PROPFIND'] as const;

/**
 * Methods that `@CacheResponse({ methods })` may name. HEAD goes with GET.
 *
 * @publicApi
 */
export type CacheableMethod = (typeof REUSABLE)[number];

const GET_ALONE: ReadonlySet<string> = new Set(['GET']);

/** @throws CacheConfigurationError for what is no list of methods whose answers may be reused */
export function methodsOf(methods: readonly string[] | undefined, where: string): ReadonlySet<string> {
  if (methods === undefined) return GET_ALONE;
  const isList = Array.isArray(methods) && methods.length > 0;
  if (isList && methods.every((method) => REUSABLE.includes(method as CacheableMethod)))
    return new Set(methods);
  throw new CacheConfigurationError(
    'CACHE_RESPONSE_OPTION',
    `methods of ${where} is ${JSON.stringify(methods)}. Write a list of ${REUSABLE.join(', ')}: HEAD goes with GET, and others ` +
      `change something, which a hit would leave undone.`,
  );
}

/** Whether requests that are told apart by their bodies are cached. */
export function hasBodies(methods: ReadonlySet<string>): boolean {
  return methods.size > 1 || !methods.has('GET');
}

/** @throws CacheConfigurationError where two requests with different bodies would have one key */
export function assertBodyInKey(methods: ReadonlySet<string>, readsBody: boolean, where: string): void {
  if (!hasBodies(methods) || readsBody) return;
  throw new CacheConfigurationError(
    'CACHE_KEY_BODY',
    `@CacheResponse() on ${where} caches ${[...methods].join(', ')}, but no field of its keyConstructor reads the body: all ` +
      `bodies would have one answer. Add body: new BodyKeyField(), or name the members that matter: new BodyKeyField(['query']). A ` +
      `function as keyConstructor does not tell what it reads; write fields.`,
  );
}

interface RequestWithBody {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: unknown;
}

/**
 * Whether a key cannot hold the body of a request: no field reads it, or nobody parsed it. Also a GET may have one, and a handler
 * that reads it (RFC 9110 §9.3.1).
 */
export function missesBody(request: RequestWithBody, readsBody: boolean): boolean {
  if (!hasBody(request)) return false;
  const { headers, body } = request;
  if (!readsBody || body === undefined || body === null) return true;
  // What some parsers leave behind where the type of the body is not theirs.
  const isBare = typeof body === 'object' && !Buffer.isBuffer(body) && Object.keys(body).length === 0;
  return isBare && !/json|urlencoded/i.test(String(headers['content-type'] ?? ''));
}

function hasBody({ method, headers }: RequestWithBody): boolean {
  const length = headers['content-length'];
  // Serverless adapters set it as a number, on requests without a body too.
  if (length !== undefined) return Number(length) !== 0;
  if (headers['transfer-encoding'] !== undefined) return true;
  // Over HTTP/2 nothing has to announce it.
  return headers[':method'] !== undefined && method !== 'GET' && method !== 'HEAD';
}

/** What says how the bytes of a body are to be read: two bodies of other types are two, though they look alike. */
export function bodyTypeOf({ headers }: RequestWithBody): string {
  const [type = '', ...parameters] = String(headers['content-type'] ?? '').split(';');
  const spelt = [type.toLowerCase(), ...parameters].map((part) => part.trim()).join(';');
  return headers['content-encoding'] === undefined
    ? spelt
    : `${spelt} ${String(headers['content-encoding'])}`;
}
