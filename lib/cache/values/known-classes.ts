import { CacheConfigurationError } from '../../common/errors.js';

/**
 * A class whose instances may be stored and come back as instances.
 *
 * @publicApi
 */
export type InstanceClass = abstract new (...args: never[]) => object;

/**
 * The classes whose instances may be cached: entities, which the module learns from the data sources, and those that a
 * method declares with `type:`. An instance of any other class is not stored, since it would come back as a plain
 * object and slip past `@Exclude()` and its own methods.
 */
export class KnownClasses {
  readonly #names = new Map<object, string>();
  readonly #prototypes = new Map<string, object | 'several'>();

  constructor(private readonly parent?: KnownClasses) {}

  add(target: InstanceClass): void {
    const prototype = target.prototype as object;
    const twin = this.#prototypes.get(target.name);
    this.#names.set(prototype, target.name);
    this.#prototypes.set(target.name, twin === undefined || twin === prototype ? prototype : 'several');
  }

  has(prototype: object): boolean {
    return this.#names.has(prototype) || (this.parent?.has(prototype) ?? false);
  }

  /** The name under which other processes know a class. @throws Error when two classes share it */
  nameOf(prototype: object): string | undefined {
    const name = this.#names.get(prototype);
    if (name === undefined) return this.parent?.nameOf(prototype);
    if (this.#prototypes.get(name) !== prototype)
      throw new Error(`two known classes are called ${name}; rename one`);
    return name;
  }

  prototypeOf(name: string): object | undefined {
    const prototype = this.#prototypes.get(name);
    return prototype === undefined || prototype === 'several' ? this.parent?.prototypeOf(name) : prototype;
  }
}

/**
 * What `type:` accepts: a class, several, or a function that returns them (for classes declared later).
 *
 * @publicApi
 */
export type TypeOption = () => InstanceClass | readonly InstanceClass[];

export function classesOf(type: TypeOption, where: string): readonly InstanceClass[] {
  const answer: unknown = type();
  const classes: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
  for (const one of classes) {
    if (typeof one !== 'function' || typeof one.prototype !== 'object') {
      throw new CacheConfigurationError(
        'CACHE_TYPE',
        `type of ${where} returned ${String(one)}, which is no class. Write type: () => UserDto, or a list of classes.`,
      );
    }
  }
  return classes as readonly InstanceClass[];
}
