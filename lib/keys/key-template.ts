import { encodeText } from './scalars.js';
import type { KeySource } from './key.interface.js';
import type { KeySlot } from './key-slot.js';

/** One named value of a key: a text that never changes, or a slot that is read at each call. */
export interface TemplatePart<Value extends string | KeySlot = string | KeySlot> {
  readonly name: string;
  readonly value: Value;
}

/** A text such as `user=42&v=1`, in which everything that never changes is written once. */
export class KeyTemplate {
  /** What stands before, between and after the slots. */
  readonly #literals: readonly string[];
  readonly #slots: readonly KeySlot[];
  readonly #optional: readonly TemplatePart<KeySlot>[];
  readonly #named: readonly TemplatePart<KeySlot>[];

  /** @param parts in the order in which they are to be written */
  constructor(parts: readonly TemplatePart[]) {
    const literals = [''];
    const slots: KeySlot[] = [];
    for (const { name, value } of parts) {
      if (isOptional(value)) continue;
      const separator = slots.length === 0 && literals[0] === '' ? '' : '&';
      literals[literals.length - 1] += `${separator}${encodeText(name)}=`;
      if (typeof value === 'string') {
        literals[literals.length - 1] += value;
      } else {
        slots.push(value);
        literals.push('');
      }
    }
    this.#literals = literals;
    this.#slots = slots;
    this.#named = parts.filter((part): part is TemplatePart<KeySlot> => typeof part.value !== 'string');
    this.#optional = this.#named.filter((part) => isOptional(part.value));
  }

  /** Whether nothing is written but, now and then, optional parts, which bring their separator along. */
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
    return this.#optional.length === 0 ? text : text + this.#renderOptional(source);
  }

  /** The name of the part that cannot be written for this call, if there is one. */
  findFailing(source: KeySource): string | undefined {
    const failing = this.#named.find(({ value }) => {
      try {
        value.text(source);
        return false;
      } catch {
        return true;
      }
    });
    return failing?.name;
  }

  #renderOptional(source: KeySource): string {
    let text = '';
    for (const { name, value: slot } of this.#optional) {
      const value = slot.value(source);
      if (value !== undefined) text += `&${encodeText(name)}=${slot.write(value)}`;
    }
    return text;
  }
}

function isOptional(value: string | KeySlot): boolean {
  return typeof value !== 'string' && value.isOptional;
}
