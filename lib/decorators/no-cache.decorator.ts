import 'reflect-metadata';

const NO_CACHE = 'restflow-cache:no-cache';

/**
 * Keeps a handler from being cached by the `@CacheResponse` of its class, or by `forRoot({ cacheEverything })`; on a class, all its
 * handlers by the latter. The nearest decorator wins.
 *
 * Source: Django, `never_cache`, as far as this cache is concerned.
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

/** Whether a handler, or a class or one that it extends, says so. */
export function isNoCache(target: object): boolean {
  return Reflect.hasMetadata(NO_CACHE, target);
}

/** Whether a class says so itself. */
export function isItselfNoCache(controller: Function): boolean {
  return Reflect.hasOwnMetadata(NO_CACHE, controller);
}
