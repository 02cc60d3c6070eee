import { types } from 'node:util';

/**
 * Reads a property of an object of the application, to find out what kind of object it is. Never throws and runs no getter, since a getter
 * may need a request or open a connection. A Proxy is asked through its handler.
 *
 * @returns `undefined` for a property that is missing, is an accessor, or cannot be read
 */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    let level: object | null = value;
    for (; level !== null; level = Object.getPrototypeOf(level) as object | null) {
      if (types.isProxy(level)) return Reflect.get(level, name, value) as unknown;
      const descriptor = Reflect.getOwnPropertyDescriptor(level, name);
      if (descriptor !== undefined) return descriptor.value as unknown;
    }
    return undefined;
  } catch {
    return undefined;
  }
}

/** Metadata of a class of the application, inherited ones included. Never throws. */
export function metadataOf(type: unknown, key: unknown): unknown {
  if (typeof type !== 'function') return undefined;
  try {
    return Reflect.getMetadata(key, type) as unknown;
  } catch {
    return undefined;
  }
}
