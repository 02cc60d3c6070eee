/**
 * @param store how the store is written, e.g. `redisStore`
 * @throws TypeError for what is no object, and for unknown options
 */
export function assertStoreOptions(
  store: string,
  options: unknown,
  known: readonly string[],
  example: string,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${store}() was given ${JSON.stringify(options)}. Write ${store}(${example}).`);
  }
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new TypeError(
    `${store}() has the unknown option ${unknown.join(', ')}. Known are: ${known.join(', ')}.`,
  );
}
