import type { FieldPart } from './fields/key-field.js';

/** The arguments of a call, or why they are not known. */
export type Reconstruction = { readonly args: readonly unknown[] } | { readonly problem: string };

interface NamedPart extends FieldPart {
  readonly partition: boolean;
}

/**
 * Reconstructs the arguments of a call from partition values, to compute a dropped value again. Each argument that the key reads must be
 * the whole value of a partition field. Arguments that the key does not read make no difference, and are left out of the call.
 */
export class KeyArguments {
  /** Why partition values never determine the arguments; `undefined` if they may. */
  readonly problem: string | undefined;
  /** The partition fields of each argument, by its index. */
  readonly #fields = new Map<number, string[]>();

  constructor(
    parts: readonly NamedPart[],
    private readonly parameters: readonly string[],
  ) {
    for (const { partition, argument, name } of parts)
      if (partition && argument !== undefined)
        this.#fields.set(argument, [...(this.#fields.get(argument) ?? []), name]);
    this.problem = parts
      .filter((part) => part.constant === undefined && part.undeclared !== true)
      .map((part) => this.#problemOf(part))
      .find((problem) => problem !== undefined);
  }

  /** True if the key reads no arguments, so that they are always known. */
  get isEmpty(): boolean {
    return this.problem === undefined && this.#fields.size === 0;
  }

  /** True if the key reads the argument at this index. */
  reads(index: number): boolean {
    return this.#fields.has(index);
  }

  /** A partition field that must be known, and is not. */
  missingIn(known: { has(field: string): boolean }): string | undefined {
    return [...this.#fields.values()].find((fields) => !fields.some((field) => known.has(field)))?.[0];
  }

  /** @param values by partition field */
  from(values: ReadonlyMap<string, unknown>): Reconstruction {
    if (this.problem !== undefined) return { problem: this.problem };
    const missing = this.missingIn(values);
    if (missing !== undefined)
      return { problem: `the change does not contain the value of its partition '${missing}'` };
    const args: unknown[] = [];
    for (const [index, fields] of this.#fields)
      args[index] = values.get(fields.find((field) => values.has(field))!);
    // Arguments that are left out are undefined, not holes.
    return { args: Array.from(args) };
  }

  #problemOf({ name, argument, arguments: read, partition }: NamedPart): string | undefined {
    const indexes = argument === undefined ? read : [argument];
    if (indexes === undefined) return `its key field '${name}' reads more than single arguments`;
    const lost = indexes.find((index) => !this.#fields.has(index));
    if (lost === undefined) return undefined;
    const parameter = `its argument '${this.parameters[lost] || lost}'`;
    return partition
      ? `${parameter} stands in the partition '${name}' changed, by a path or a normalizer`
      : `${parameter} is part of the key, but no partition of it`;
  }
}
