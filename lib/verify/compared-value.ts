import { isDeepStrictEqual } from 'node:util';
import type { VerifyMethod } from '../cache/engine/call.js';
import { copySnapshot } from '../cache/values/copy.js';
import type { ValueHandling } from '../cache/values/isolation.js';
import type { Wire } from '../stores/store.interface.js';

/** A stored value as it is compared with another one: a copy that no caller can change. */
export class ComparedValue {
  readonly #parts: unknown;
  readonly #wire: Wire | undefined;

  constructor(
    private readonly values: ValueHandling,
    private readonly stored: unknown,
  ) {
    if (values.compared !== undefined) {
      this.#parts = values.compared(stored);
      return;
    }
    const wire = values.encode(stored);
    // A copy, because an entry that a shared store returned is the caller's own; its plain objects have one prototype, whoever made them.
    this.#parts = structuredClone(wire.data);
    this.#wire = { ...wire, data: copySnapshot({ value: wire.data, tree: false }) };
  }

  equals(other: ComparedValue, verify: VerifyMethod | undefined): boolean {
    if (verify !== undefined && verify !== false)
      return verify.equals(this.#present() as never, other.#present() as never);
    return isDeepStrictEqual(this.#parts, other.#parts);
  }

  #present(): unknown {
    if (this.#wire === undefined) return this.stored;
    return this.values.present(this.values.decode(this.#wire, true));
  }
}
