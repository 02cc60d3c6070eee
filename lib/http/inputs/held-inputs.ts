/** Members of requests that parsers make of a header and nothing else: a key that contains the header contains them, too. */
const PARSED_FROM: Readonly<Record<string, readonly string[]>> = { cookie: ['cookies', 'signedCookies'] };

/** Parts of requests that the keys of a route contain. */
export interface HeldInputs {
  /** Lower-case names of request headers. */
  readonly headers: ReadonlySet<string>;
  /** Members of the request that the key contains as a whole. */
  readonly whole: ReadonlySet<string>;
  /** Member of the request → the names in it that the key contains. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * @param vary request headers whose values the key contains
 * @param holds values of the request that the key contains, each as its path: `['cookies', 'theme']`
 */
export function heldInputs(vary: readonly string[], holds: readonly (readonly string[])[]): HeldInputs {
  const headers = new Set(vary);
  const whole = new Set<string>();
  const members = new Map<string, Set<string>>();
  for (const [property, name, ...deeper] of holds) {
    if (name === undefined) whole.add(property!);
    else if (property === 'headers' && deeper.length === 0) headers.add(name);
    else members.set(property!, (members.get(property!) ?? new Set()).add(name));
  }
  for (const name of headers) for (const parsed of PARSED_FROM[name] ?? []) whole.add(parsed);
  return { headers, whole, members };
}
