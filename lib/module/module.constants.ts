/** The provider of the module's options, checked and completed. */
export const MODULE_SETTINGS = Symbol('nestjs-restflow-cache.settings');
/** The provider of the instances of `forRoot({ dispatchers })`. */
export const MODULE_DISPATCHERS = Symbol('nestjs-restflow-cache.dispatchers');
