/** A method of an object of others, with ours in its place until it is put back. */
export class ReplacedMethod<Source extends object, Name extends keyof Source & string> {
  readonly #own: PropertyDescriptor | undefined;

  constructor(
    private readonly source: Source,
    private readonly name: Name,
    private readonly wrapper: Source[Name],
  ) {
    this.#own = Object.getOwnPropertyDescriptor(source, name);
    source[name] = wrapper;
  }

  /** Whoever wrapped it after us keeps our wrapper. */
  putBack(): void {
    const { source, name } = this;
    if (source[name] !== this.wrapper) return;
    if (this.#own !== undefined) Object.defineProperty(source, name, this.#own);
    else delete (source as Partial<Source>)[name];
  }
}

/**
 * To be called where a plain property of an object that TypeORM often reads was made an accessor. V8 turns such an object into
 * a dictionary for good, unless others inherit from it: each of the hundreds of reads that one save makes of its DataSource and
 * driver would be several times dearer. Elsewhere it does nothing.
 */
export function keepFast(object: object): void {
  for (let i = 0; i < READS; i++) readAny(Object.create(object) as { anything?: unknown });
}

/** V8 looks at whom an object inherits from when code that has run a few times reads a property of it. */
const READS = 200;

function readAny(heir: { anything?: unknown }): unknown {
  return heir.anything;
}
