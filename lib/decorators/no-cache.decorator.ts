import 'reflect-metadata';

const NO_CACHE = 'restflow-cache:no-cache';

/**
 * Keeps a handler from being cached by the `@CacheResponse` of its class: the nearest decorator wins.
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
export function NoCache(): MethodDecorator {
  return (_target, _propertyKey, descriptor) => {
    Reflect.defineMetadata(NO_CACHE, true, descriptor.value as object);
  };
}

export function isNoCache(handler: object): boolean {
  return Reflect.hasMetadata(NO_CACHE, handler);
}
