import 'reflect-metadata';

const NO_CACHE = 'restflow-cache:no-cache';

/**
 * Excludes a handler from the `@CacheResponse` of its class and from `forRoot({ cacheEverything })`. On a class, excludes all its
 * handlers from `cacheEverything`. The decorator of a handler overrides that of its class.
 *
 * Source: Django, `never_cache`, without its response headers.
 *
 * @example
 * @Controller('articles')
 * @CacheResponse('5m')
 * class ArticlesController {
 *   @Get() list() { … }
 *   @Get('random') @NoCache() random() { … }
 * }
 *
 * @publicApi
 */
export function NoCache(): ClassDecorator & MethodDecorator {
  const decorate = (target: object, _methodKey?: string | symbol, descriptor?: PropertyDescriptor): void => {
    Reflect.defineMetadata(NO_CACHE, true, descriptor === undefined ? target : (descriptor.value as object));
  };
  return decorate as ClassDecorator & MethodDecorator;
}

/** Tells whether a handler, or a class or its base class, has `@NoCache()`. */
export function isNoCache(target: object): boolean {
  return Reflect.hasMetadata(NO_CACHE, target);
}

/** Tells whether a class itself, not a base class, has `@NoCache()`. */
export function isItselfNoCache(controller: Function): boolean {
  return Reflect.hasOwnMetadata(NO_CACHE, controller);
}
