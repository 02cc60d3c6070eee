/**
 * Reports a part of TypeORM that does not have the expected shape and is left unpatched, with the effect.
 * @param part e.g. `createQueryRunner() of the DataSource`
 * @param effect a sentence without its end, e.g. `exactStatements has no effect`
 */
export type ReportUnsupported = (part: string, effect: string) => void;

/** True if a method of an object can be replaced by assigning to it, and taken back. */
export function isReplaceable(source: object, name: string): boolean {
  if (typeof (source as Record<string, unknown>)[name] !== 'function') return false;
  const own = Object.getOwnPropertyDescriptor(source, name);
  return own === undefined ? Object.isExtensible(source) : own.writable === true && own.configurable === true;
}

/** A method of an object of TypeORM, replaced until it is put back. */
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

  /** Does nothing where other code has wrapped the wrapper since. */
  putBack(): void {
    const { source, name } = this;
    if (source[name] !== this.wrapper) return;
    if (this.#own !== undefined) Object.defineProperty(source, name, this.#own);
    else delete (source as Partial<Source>)[name];
  }
}

/**
 * To be called after a plain property of an object that TypeORM reads often was made an accessor. V8 turns such an object into a
 * dictionary for good, unless other objects inherit from it, and each of the hundreds of reads that one save() makes of its
 * DataSource and driver is several times dearer then (`npm run bench -- typeorm`). On other engines it does nothing.
 */
export function keepFast(object: object): void {
  for (let i = 0; i < READS; i++) readAny(Object.create(object) as { anything?: unknown });
}

/** V8 looks at the prototype of an object once code that has run a few times reads a property of it. */
const READS = 200;

function readAny(heir: { anything?: unknown }): unknown {
  return heir.anything;
}
