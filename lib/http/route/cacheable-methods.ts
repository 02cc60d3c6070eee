import type { KeyRequest } from '../../keys/key.interface.js';
import { CacheConfigurationError } from '../../common/errors.js';

/** Methods whose answers may be reused. A hit would skip the effect of all others. */
const REUSABLE = ['GET', 'POST', 'QUERY', 'SEARCH', 'REPORT', 'PROPFIND'] as const;

/**
 * Methods that `@CacheResponse({ methods })` may name. HEAD goes with GET.
 *
 * @publicApi
 */
export type CacheableMethod = (typeof REUSABLE)[number];

const GET_ALONE: ReadonlySet<string> = new Set(['GET']);

/** @throws CacheConfigurationError unless it is a list of methods whose answers may be reused */
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

/** True if requests with bodies are cached, so that the key must contain the body. */
export function hasBodies(methods: ReadonlySet<string>): boolean {
  return methods.size > 1 || !methods.has('GET');
}

/** @throws CacheConfigurationError if two requests with different bodies would have the same key */
export function assertBodyInKey(methods: ReadonlySet<string>, readsBody: boolean, where: string): void {
  if (!hasBodies(methods) || readsBody) return;
  throw new CacheConfigurationError(
    'CACHE_KEY_BODY',
    `@CacheResponse() on ${where} caches ${[...methods].join(', ')}, but no field of its keyConstructor reads the body: all ` +
      `bodies would have one answer. Add body: new BodyKeyField(), or name the members that matter: new BodyKeyField(['query']). A ` +
      `function as keyConstructor does not tell what it reads; write fields.`,
  );
}

/** Type and coding of a body: equal bytes of different types are different bodies. */
export function bodyTypeOf({ headers }: KeyRequest): string {
  const [type = '', ...parameters] = String(headers['content-type'] ?? '').split(';');
  const spelt = [type.toLowerCase(), ...parameters].map((part) => part.trim()).join(';');
  return headers['content-encoding'] === undefined
    ? spelt
    : `${spelt} ${String(headers['content-encoding'])}`;
}
