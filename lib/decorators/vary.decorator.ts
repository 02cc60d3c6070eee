import { assertHeaderNames, declareVary } from '../http/route/response-options.js';
import { whereOf } from './decorator-options.js';

/**
 * Names request headers that choose between the answers of a cached handler: each value has an answer of its own, and
 * `Vary` tells caches outside. The same as `@CacheResponse({ vary })`, for a handler whose class is decorated.
 *
 * @param names of request headers, in any case
 * @throws CacheConfigurationError for what is no header name
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
 * Gives each value of the Cookie header an answer of its own, so that a handler may read cookies and still be cached.
 *
 * Every cookie counts, those of analytics too; where one matters, `new CookiesKeyField('theme')` shares more.
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
