/** Metadata on a decorated function: its `MethodDefinition`. */
export const CACHED_METHOD_METADATA = 'nestjs-restflow-cache:method';
