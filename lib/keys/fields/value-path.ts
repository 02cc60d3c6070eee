/** Splits `'user.id'` into its steps; `undefined` for a path that is no path. */
export function parsePath(path: unknown): readonly string[] | undefined {
  if (typeof path !== 'string') return undefined;
  const steps = path.split('.');
  return steps.every((step) => step !== '') ? steps : undefined;
}

/** Follows a path into a value; `undefined` where it ends early. */
export function readPath(value: unknown, steps: readonly string[]): unknown {
  let current = value;
  for (let index = 0; index < steps.length; index++) {
    if (current === null || current === undefined) return undefined;
    current = (current as Readonly<Record<string, unknown>>)[steps[index]!];
  }
  return current;
}

/** A member that a client named: own ones only, so that `constructor` is not found on every object. */
export function readOwn(container: unknown, name: string): unknown {
  if (typeof container !== 'object' || container === null || !Object.hasOwn(container, name))
    return undefined;
  return (container as Readonly<Record<string, unknown>>)[name];
}

/** All own members, as a plain object; empty for what is no object. */
export function ownMembers(container: unknown): Readonly<Record<string, unknown>> {
  return typeof container === 'object' && container !== null
    ? (container as Readonly<Record<string, unknown>>)
    : {};
}
