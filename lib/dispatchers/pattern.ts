/** The event that jobs of a namespace are emitted as. */
export function patternOf(namespace: string): string {
  return `${namespace}.invalidation`;
}
