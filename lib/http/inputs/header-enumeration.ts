/**
 * Tells code that copies or prints all headers from code that reads one of them: a spread, `Object.entries()` and `JSON.stringify()` ask a
 * proxy for its names, then for each of them in order. Loggers do so for every request, without any effect on the answer.
 */
export class HeaderEnumeration {
  readonly #names: readonly (string | symbol)[];
  readonly #read: string[] = [];
  #described = 0;
  #isUniform = true;

  constructor(names: readonly (string | symbol)[]) {
    this.#names = names;
  }

  /** Called when the descriptor of a name is read. @returns true if that belongs to the enumeration */
  described(name: string): boolean {
    if (this.#names[this.#described] !== name) return false;
    // A loop that reads only some of the names has made a choice.
    if (this.#read.length > 0 && this.#read.length !== this.#described) this.#isUniform = false;
    this.#described++;
    return true;
  }

  /** Called when a value is read. @returns true if that belongs to the enumeration */
  read(name: string): boolean {
    const isPaired = this.#read.length === this.#described - 1;
    const isAfterAll = this.#described === this.#names.length;
    if ((!isPaired && !isAfterAll) || this.#names[this.#read.length] !== name) return false;
    this.#read.push(name);
    return true;
  }

  /** Names that were read individually: all of them, unless everything was read. */
  singled(): readonly string[] {
    const isWhole = this.#isUniform && this.#read.length === this.#names.length && this.#names.length > 1;
    return isWhole ? [] : this.#read;
  }
}
