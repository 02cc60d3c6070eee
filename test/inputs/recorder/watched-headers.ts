/** Sent with every recorded request. No package knows its name, so a read of it is part of an enumeration. */
export const MARKER_HEADER = 'x-recorder-marker';

/** The headers as they are, with reads and writes reported: `headers.name`, `headers.*` for an enumeration. */
export function watchHeaders(
  headers: Record<string, unknown>,
  report: (member: string) => void,
): Record<string, unknown> {
  // A spread or Object.entries() asks for the descriptor of a name just before its value.
  let described: PropertyKey | undefined;
  const reportName = (name: PropertyKey): void => {
    if (typeof name === 'string' && !(name in Object.prototype)) report(`headers.${name}`);
  };
  return new Proxy(headers, {
    get(target, name) {
      if (described !== name) reportName(name);
      described = undefined;
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      reportName(name);
      return Reflect.has(target, name);
    },
    set(target, name, value) {
      report(`headers.${String(name)}=`);
      return Reflect.set(target, name, value);
    },
    deleteProperty(target, name) {
      report(`headers.${String(name)}=`);
      return Reflect.deleteProperty(target, name);
    },
    ownKeys(target) {
      report('headers.*');
      return Reflect.ownKeys(target);
    },
    getOwnPropertyDescriptor(target, name) {
      described = name;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
}
