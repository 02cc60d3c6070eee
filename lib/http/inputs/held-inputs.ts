/** Members of requests that parsers make of a header and of nothing else, so that a key that holds the header holds them too. */
const PARSED_FROM: Readonly<Record<string, readonly string[]>> = { cookie: ['cookies', 'signedCookies'] };

/** What the key of a route holds of its requests. */
export interface HeldInputs {
  /** Lower-case names of request headers. */
  readonly headers: ReadonlySet<string>;
  /** Members of the request that it holds as a whole. */
  readonly whole: ReadonlySet<string>;
  /** Member of the request → the names in it that it holds. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * @param vary request headers whose values the key holds
 * @param holds values of the request that the key holds, each as its steps: `['cookies', 'theme']`
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
