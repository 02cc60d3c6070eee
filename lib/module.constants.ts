/** The provider of the module's options, checked and completed. */
export const MODULE_SETTINGS = Symbol('nestjs-restflow-cache.settings');
