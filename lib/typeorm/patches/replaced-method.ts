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
