/** Metadata on the prototype of a class: the `MethodDefinition`s of its own decorated methods. */
export const CACHED_METHODS_METADATA = 'nestjs-restflow-cache:methods';
