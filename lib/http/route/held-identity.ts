/** What is read from these headers and from nothing else, so that a key that holds the header holds it too. */
const READ_FROM: Readonly<Record<string, readonly string[]>> = {
  cookie: ['cookies', 'signedCookies', 'cookie'],
  authorization: ['authorization'],
};

/** What the key holds of who is asking. */
export interface HeldIdentity {
  /** Properties of the request and names of headers that it holds as a whole. */
  readonly whole: ReadonlySet<string>;
  /** Property of the request → the names in it that it holds. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * @param vary request headers whose values the key holds
 * @param holds values of the request that the key holds, each as its steps: `['cookies', 'theme']`
 */
export function heldIdentity(vary: readonly string[], holds: readonly (readonly string[])[]): HeldIdentity {
  const whole = new Set(vary.flatMap((name) => READ_FROM[name] ?? []));
  const members = new Map<string, Set<string>>();
  for (const [property, name, ...deeper] of holds) {
    if (name === undefined) whole.add(property!);
    else if (deeper.length > 0) continue;
    else if (property === 'headers') for (const read of READ_FROM[name] ?? []) whole.add(read);
    else members.set(property!, (members.get(property!) ?? new Set()).add(name));
  }
  return { whole, members };
}
