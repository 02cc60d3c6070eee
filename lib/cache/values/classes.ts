import { CacheConfigurationError } from '../../common/errors.js';

const LOCAL = new Map<string, object>(
  [Object, Array, Date, Map, RegExp, Set].map((type) => [type.name, type.prototype as object]),
);

/**
 * A class whose instances may be stored and come back as instances.
 *
 * @publicApi
 */
export type InstanceClass = abstract new (...args: never[]) => object;

/**
 * Classes whose instances may be cached: the entities of the data sources, and the classes that a method declares with `type:`.
 * Instances of other classes are not stored: they would come back as plain objects, without their methods and without `@Exclude()`.
 */
export class KnownClasses {
  readonly #names = new Map<object, string>();
  readonly #prototypes = new Map<string, object | 'several'>();

  constructor(private readonly parent?: KnownClasses) {}

  /** @param shape tells instances of this build from those of one whose class of this name has other members */
  add(target: InstanceClass, shape?: string): void {
    const prototype = target.prototype as object;
    const name = shape === undefined ? target.name : `${target.name}~${shape}`;
    const twin = this.#prototypes.get(name);
    this.#names.set(prototype, name);
    this.#prototypes.set(name, twin === undefined || twin === prototype ? prototype : 'several');
  }

  has(prototype: object): boolean {
    return this.#names.has(prototype) || (this.parent?.has(prototype) ?? false);
  }

  /** The name of a class in stored values. @throws Error if two classes share it */
  nameOf(prototype: object): string | undefined {
    const name = this.#names.get(prototype);
    if (name === undefined) return this.parent?.nameOf(prototype);
    if (this.#prototypes.get(name) !== prototype)
      throw new Error(`two known classes are called ${name.split('~', 1)[0]!}; rename one`);
    return name;
  }

  prototypeOf(name: string): object | undefined {
    const prototype = this.#prototypes.get(name);
    return prototype === undefined || prototype === 'several' ? this.parent?.prototypeOf(name) : prototype;
  }
}

/**
 * The prototype of this realm that corresponds to one of another realm; any other prototype is returned as it is. Results of
 * `fetch().json()` under jest come from another realm.
 */
export function localPrototype(prototype: object): object {
  const owner: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  if (typeof owner !== 'function' || owner.prototype !== prototype || !isNative(owner)) return prototype;
  return LOCAL.get(owner.name) ?? prototype;
}

export function isNative(type: Function): boolean {
  // The `constructor` of a generator's prototype is an object.
  return typeof type === 'function' && Function.prototype.toString.call(type).endsWith('{ [native code] }');
}

/** Assigns an own data property, also if the prototype has a setter or a constant of that name, as of `__proto__`. */
export function defineOwn(target: object, key: string, value: unknown): void {
  if (key in target)
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else (target as Record<string, unknown>)[key] = value;
}

/**
 * Value of `type:`, a function that returns one class or several: the classes may be declared later.
 *
 * @publicApi
 */
export type TypeOption = () => InstanceClass | readonly InstanceClass[];

/** @throws CacheConfigurationError if the function returns anything but classes */
export function classesOf(type: TypeOption, where: string): readonly InstanceClass[] {
  const answer: unknown = type();
  const classes: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
  for (const one of classes) {
    if (typeof one !== 'function' || typeof one.prototype !== 'object') {
      throw new CacheConfigurationError(
        'CACHE_TYPE',
        `type of ${where} returned ${String(one)}, which is not a class. Write type: () => UserDto, or a list of classes.`,
      );
    }
  }
  return classes as readonly InstanceClass[];
}
