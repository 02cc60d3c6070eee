import { defineOwn, type KnownClasses } from './classes.js';
import { indexesOf, isSparse, sparseArray } from './own-copy.js';
import { isOrdinaryName, MARK } from './snapshot.js';

/**
 * Values that a binary codec would not restore (instances, `-0`, holes, `__proto__`, null prototypes, lone surrogates, the `lastIndex` of
 * a RegExp) are written as `{ [MARK]: [kind, content] }`; so is a plain object that has a property called MARK.
 */
type Kind = 'instance' | 'null-prototype' | 'record' | 'array' | 'negative-zero' | 'text' | 'regexp';

/** Converts an exotic value to plain data. Cycles and shared references are kept. */
export function toPlain(value: unknown, classes: KnownClasses): unknown {
  return new Plainer(classes).write(value);
}

class Plainer {
  readonly #seen = new Map<object, unknown>();

  constructor(private readonly classes: KnownClasses) {}

  write(value: unknown): unknown {
    if (typeof value === 'string')
      return value.isWellFormed() ? value : mark('text', Buffer.from(value, 'utf16le'));
    if (Object.is(value, -0)) return mark('negative-zero', 0);
    if (typeof value !== 'object' || value === null) return value;
    const seen = this.#seen.get(value);
    if (seen !== undefined) return seen;
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Map.prototype) return this.#map(value as Map<unknown, unknown>);
    if (prototype === Set.prototype) return this.#set(value as Set<unknown>);
    if (prototype === RegExp.prototype) return this.#regExp(value as RegExp);
    if (prototype === Object.prototype)
      return isOrdinary(value) ? this.#plain(value) : this.#entries('record', undefined, value);
    if (prototype === null) return this.#entries('null-prototype', undefined, value);
    const name = this.classes.nameOf(prototype);
    return name === undefined ? value : this.#entries('instance', name, value);
  }

  #array(value: readonly unknown[]): unknown {
    const sparse = isSparse(value);
    const copy: unknown[] = [];
    this.#seen.set(value, sparse ? mark('array', copy) : copy);
    if (sparse) {
      copy.push(value.length);
      for (const i of indexesOf(value)) copy.push(i, this.write(value[i]));
    } else {
      for (const item of value) copy.push(this.write(item));
    }
    return this.#seen.get(value);
  }

  #regExp(value: RegExp): unknown {
    if (value.lastIndex === 0) return value;
    const marked = mark('regexp', [value, value.lastIndex]);
    this.#seen.set(value, marked);
    return marked;
  }

  #map(value: Map<unknown, unknown>): unknown {
    const copy = new Map<unknown, unknown>();
    this.#seen.set(value, copy);
    for (const [key, item] of value) copy.set(this.write(key), this.write(item));
    return copy;
  }

  #set(value: Set<unknown>): unknown {
    const copy = new Set<unknown>();
    this.#seen.set(value, copy);
    for (const item of value) copy.add(this.write(item));
    return copy;
  }

  #plain(value: object): unknown {
    const copy: Record<string, unknown> = {};
    this.#seen.set(value, copy);
    for (const key of Object.keys(value)) copy[key] = this.write((value as Record<string, unknown>)[key]);
    return copy;
  }

  /** Writes the class, then names and values alternately, so that the codec sees no property names. */
  #entries(kind: Kind, name: string | undefined, value: object): unknown {
    const content: unknown[] = [name];
    const marked = mark(kind, content);
    this.#seen.set(value, marked);
    for (const key of Object.keys(value))
      content.push(this.write(key), this.write((value as Record<string, unknown>)[key]));
    return marked;
  }
}

/**
 * Restores what {@link toPlain} wrote.
 * @throws Error if the value names a class that this process does not know
 */
export function fromPlain(value: unknown, classes: KnownClasses): unknown {
  return new Reviver(classes).read(value);
}

class Reviver {
  readonly #seen = new Map<object, unknown>();

  constructor(private readonly classes: KnownClasses) {}

  read(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const seen = this.#seen.get(value);
    if (seen !== undefined) return seen;
    if (Array.isArray(value)) return this.#items(value);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Map.prototype) return this.#map(value as Map<unknown, unknown>);
    if (prototype === Set.prototype) return this.#set(value as Set<unknown>);
    if (prototype !== Object.prototype) return value;
    const marked = (value as Record<string, unknown>)[MARK] as readonly [Kind, unknown[]] | undefined;
    return marked === undefined ? this.#plain(value) : this.#marked(value, marked[0], marked[1]);
  }

  #items(value: unknown[]): unknown {
    this.#seen.set(value, value);
    for (let i = 0; i < value.length; i++) value[i] = this.read(value[i]);
    return value;
  }

  #map(value: Map<unknown, unknown>): unknown {
    const map = new Map<unknown, unknown>();
    this.#seen.set(value, map);
    for (const [key, item] of value) map.set(this.read(key), this.read(item));
    return map;
  }

  #set(value: Set<unknown>): unknown {
    const set = new Set<unknown>();
    this.#seen.set(value, set);
    for (const item of value) set.add(this.read(item));
    return set;
  }

  #plain(value: object): unknown {
    this.#seen.set(value, value);
    for (const key of Object.keys(value)) {
      (value as Record<string, unknown>)[key] = this.read((value as Record<string, unknown>)[key]);
    }
    return value;
  }

  #marked(value: object, kind: Kind, content: unknown[]): unknown {
    if (kind === 'negative-zero') return -0;
    if (kind === 'text') return (content as unknown as Buffer).toString('utf16le');
    if (kind === 'regexp') {
      const regExp = content[0] as RegExp;
      regExp.lastIndex = content[1] as number;
      this.#seen.set(value, regExp);
      return regExp;
    }
    if (kind === 'array') {
      const array = sparseArray(content[0] as number);
      this.#seen.set(value, array);
      for (let i = 1; i < content.length; i += 2) array[content[i] as number] = this.read(content[i + 1]);
      return array;
    }
    const record = Object.create(this.#prototype(kind, content[0])) as object;
    this.#seen.set(value, record);
    for (let i = 1; i < content.length; i += 2)
      defineOwn(record, this.read(content[i]) as string, this.read(content[i + 1]));
    return record;
  }

  #prototype(kind: Kind, name: unknown): object | null {
    if (kind !== 'instance') return kind === 'record' ? Object.prototype : null;
    const prototype = this.classes.prototypeOf(String(name));
    if (prototype === undefined)
      throw new Error(`the class ${String(name)} of a cached value is not known in this process`);
    return prototype;
  }
}

function mark(kind: Kind, content: unknown): object {
  return { [MARK]: [kind, content] };
}

/** True if the codec restores all property names of a plain object. */
function isOrdinary(value: object): boolean {
  return Object.keys(value).every(isOrdinaryName);
}
