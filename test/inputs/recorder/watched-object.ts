/** How a member is written in the tables: a symbol by its description. */
export const labelOf = (member: PropertyKey): string =>
  typeof member === 'symbol' ? `Symbol(${member.description ?? ''})` : String(member);

export interface Watching {
  /** `request.ip`; with `=` behind it for a write. */
  readonly report: (member: string) => void;
  /** Replaces the values of members that are watched themselves, such as `headers`. */
  readonly within?: Readonly<Record<string, (value: unknown) => unknown>>;
}

/** Enumerable member of every watched request. No package knows its name, so a read of it is part of an enumeration. */
export const MARKER_MEMBER = 'recorderMarker';

/**
 * Watches an object in place, since its framework holds on to it: own members become accessors, and a Proxy as its
 * prototype sees inherited members, absent ones and new ones.
 *
 * @returns own members that were added since
 */
export function watchObject(
  target: object,
  name: string,
  { report, within = {} }: Watching,
): () => PropertyKey[] {
  const before = new Set(Reflect.ownKeys(target));
  const seen = (member: PropertyKey, write = false): void =>
    report(`${name}.${labelOf(member)}${write ? '=' : ''}`);
  const handOut = (member: PropertyKey, value: unknown): unknown =>
    (typeof member === 'string' && Object.hasOwn(within, member) ? within[member]?.(value) : undefined) ??
    value;

  const observe = (member: PropertyKey, descriptor: PropertyDescriptor): void => {
    let { value } = descriptor as { value: unknown };
    Reflect.defineProperty(target, member, {
      configurable: true,
      enumerable: descriptor.enumerable ?? true,
      get(this: unknown) {
        seen(member);
        const current = descriptor.get ? (Reflect.apply(descriptor.get, target, []) as unknown) : value;
        return handOut(member, current);
      },
      set(this: unknown, next: unknown) {
        seen(member, true);
        if (descriptor.set) Reflect.apply(descriptor.set, target, [next]);
        else value = next;
      },
    });
  };

  for (const member of before) {
    const descriptor = Reflect.getOwnPropertyDescriptor(target, member)!;
    if (descriptor.configurable) observe(member, descriptor);
  }
  const prototype = Object.getPrototypeOf(target) as object | null;
  Object.setPrototypeOf(
    target,
    // An empty level between, so that `instanceof` still finds the prototype itself.
    new Proxy(Object.create(prototype) as object, {
      get(level, member, receiver) {
        seen(member);
        return handOut(member, Reflect.get(level, member, receiver));
      },
      has(level, member) {
        seen(member);
        return Reflect.has(level, member);
      },
      set(level, member, value, receiver: object) {
        seen(member, true);
        const inherited = inheritedDescriptor(level, member);
        if (inherited?.get !== undefined || inherited?.set !== undefined)
          return Reflect.set(level, member, value, receiver);
        observe(member, { value, enumerable: true });
        return true;
      },
    }),
  );
  return () => Reflect.ownKeys(target).filter((member) => !before.has(member));
}

function inheritedDescriptor(level: object | null, member: PropertyKey): PropertyDescriptor | undefined {
  for (; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    const descriptor = Reflect.getOwnPropertyDescriptor(level, member);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}
