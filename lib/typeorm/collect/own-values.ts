/** The name of the property that a holder's first value is kept under. */
const VALUE = Symbol('restflow');

interface Holder<V> {
  [VALUE]?: { readonly owner: object; value: V };
}

/**
 * What somebody keeps about objects that live for one statement. A WeakMap that gains a key with every statement costs more
 * than all else that a save needs here, so the first who keeps something about an object hangs it on that; others use a map.
 */
export class OwnValues<K extends object, V> {
  readonly #others = new WeakMap<K, V>();

  get(holder: K): V | undefined {
    const held = (holder as Holder<V>)[VALUE];
    return held?.owner === this ? held.value : this.#others.get(holder);
  }

  has(holder: K): boolean {
    return this.get(holder) !== undefined;
  }

  set(holder: K, value: V): void {
    const held = (holder as Holder<V>)[VALUE];
    if (held === undefined) (holder as Holder<V>)[VALUE] = { owner: this, value };
    else if (held.owner === this) held.value = value;
    else this.#others.set(holder, value);
  }
}
