import { types } from 'node:util';
import { copyText, MIN_SLICE, ownBytes, type OwnText } from './own-copy.js';

/**
 * Replaces the texts and Buffers of decoded data by copies of their own, in place. Otherwise one kept value may keep in memory the bytes
 * that it was decoded from, together with those of other values that arrived with it.
 */
export function detach(data: unknown): unknown {
  return new Detacher().own(data);
}

class Detacher {
  /** Copies of the Buffers, since one may stand in several places; all other objects as they are. */
  readonly #seen = new Map<object, object>();
  readonly #text: OwnText = { text: '', bytes: 0 };

  own(value: unknown): unknown {
    if (typeof value === 'string') {
      if (value.length < MIN_SLICE) return value;
      copyText(value, this.#text);
      return this.#text.text;
    }
    if (typeof value !== 'object' || value === null) return value;
    const seen = this.#seen.get(value);
    if (seen !== undefined) return seen;
    const own = Buffer.isBuffer(value) ? ownBytes(value) : value;
    this.#seen.set(value, own);
    if (ArrayBuffer.isView(own)) return own;
    if (Array.isArray(value)) this.#ownItems(value);
    else if (types.isMap(value)) this.#ownMap(value);
    else if (types.isSet(value)) this.#ownSet(value);
    else if (Object.getPrototypeOf(value) === Object.prototype)
      this.#ownMembers(value as Record<string, unknown>);
    return value;
  }

  #ownItems(items: unknown[]): void {
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (typeof item === 'string' || typeof item === 'object') items[i] = this.own(item);
    }
  }

  #ownMembers(record: Record<string, unknown>): void {
    for (const name of Object.keys(record)) {
      const item = record[name];
      if (typeof item === 'string' || typeof item === 'object') record[name] = this.own(item);
    }
  }

  #ownMap(map: Map<unknown, unknown>): void {
    const entries = [...map];
    map.clear();
    for (const [key, item] of entries) map.set(this.own(key), this.own(item));
  }

  #ownSet(set: Set<unknown>): void {
    const items = [...set];
    set.clear();
    for (const item of items) set.add(this.own(item));
  }
}
