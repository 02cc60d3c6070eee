import { assertHeaderNames, declareVary } from '../http/route/response-options.js';
import { whereOf } from './decorator-options.js';

/**
 * Names request headers that the response of a cached handler depends on: each combination of their values is stored separately,
 * and the response header `Vary` names them. Equals `@CacheResponse({ vary })`, for a handler whose class is decorated.
 *
 * @param names names of request headers, case-insensitive
 * @throws CacheConfigurationError for an invalid header name
 * @example
 * @Get() @CacheResponse('15m') @Vary('Accept-Language', 'User-Agent')
 * list() { … }
 *
 * Source: Django, `vary_on_headers`.
 * @publicApi
 */
export function Vary(...names: string[]): MethodDecorator {
  return (target, propertyKey, descriptor) => {
    assertHeaderNames(names, `@Vary() on ${whereOf(target, propertyKey)}`);
    declareVary(descriptor.value as object, names);
  };
}

/**
 * Stores a separate response for each value of the Cookie header, so that a handler may read cookies and still be cached.
 *
 * Every cookie counts, including those of analytics scripts. If only one cookie matters, `new CookiesKeyField('theme')` gives more hits.
 *
 * @example
 * @Get('welcome') @CacheResponse('5m') @VaryOnCookie()
 * welcome(@Req() request: Request) { … }
 *
 * Source: Django, `vary_on_cookie`.
 * @publicApi
 */
export function VaryOnCookie(): MethodDecorator {
  return Vary('cookie');
}
