import { encodeText } from './encode-text.js';
import type { KeySource } from './key.interface.js';
import type { KeySlot } from './key-slot.js';

/** One named value of a key: a text that never changes, or a slot that is read at each call. */
export interface TemplatePart {
  readonly name: string;
  readonly value: string | KeySlot;
}

/** A text such as `user=42&v=1`, in which everything that never changes is written once. */
export class KeyTemplate {
  readonly #literals: readonly string[];
  readonly #slots: readonly KeySlot[];
  readonly #names: readonly string[];

  /** @param parts in the order in which they are to be written */
  constructor(parts: readonly TemplatePart[]) {
    const literals = [''];
    const slots: KeySlot[] = [];
    const names: string[] = [];
    parts.forEach(({ name, value }, index) => {
      const last = literals.length - 1;
      literals[last] += `${index === 0 ? '' : '&'}${encodeText(name)}=`;
      if (typeof value === 'string') {
        literals[last] += value;
      } else {
        slots.push(value);
        names.push(name);
        literals.push('');
      }
    });
    this.#literals = literals;
    this.#slots = slots;
    this.#names = names;
  }

  /** Whether there is nothing to write. */
  get isEmpty(): boolean {
    return this.#literals.length === 1 && this.#literals[0] === '';
  }

  /** Writes the text for one call. */
  render(source: KeySource): string {
    const slots = this.#slots;
    const literals = this.#literals;
    let text = literals[0]!;
    for (let index = 0; index < slots.length; index++) {
      text += slots[index]!.text(source) + literals[index + 1]!;
    }
    return text;
  }

  /** The name of the part that cannot be written for this call, if there is one. */
  findFailing(source: KeySource): string | undefined {
    return this.#names.find((_, index) => {
      try {
        this.#slots[index]!.text(source);
        return false;
      } catch {
        return true;
      }
    });
  }
}
