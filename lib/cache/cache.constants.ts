/** Metadata on the prototype of a class: the `MethodDefinition`s of its own decorated methods. */
export const CACHED_METHODS_METADATA = 'nestjs-restflow-cache:methods';

/** Metadata on a class: what its methods invalidate after they succeeded. */
export const INVALIDATIONS_METADATA = 'nestjs-restflow-cache:invalidations';
