import { define } from './define.js';

/** Built-in classes whose state is not in their properties; instances of their subclasses cannot be copied. */
const BUILT_IN = [
  Array,
  ArrayBuffer,
  Date,
  Error,
  Map,
  Promise,
  RegExp,
  Set,
  WeakMap,
  WeakSet,
  Object.getPrototypeOf(Uint8Array) as Function,
];

const PRIVATE_FIELD = /#[\p{ID_Start}$_]|class_?private_?field/iu;
const TEXT_OR_COMMENT = /`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[^]*?\*\/|\/\/.*/g;

const obstacles = new WeakMap<object, string>();

/**
 * Why instances of a class cannot be copied property by property; empty if they can. A copy would be an instance without
 * what makes it one: private fields, the content of a Map.
 */
export function obstacleOf(prototype: object): string {
  let obstacle = obstacles.get(prototype);
  if (obstacle === undefined) obstacles.set(prototype, (obstacle = findObstacle(prototype)));
  return obstacle;
}

function findObstacle(prototype: object): string {
  const base = BUILT_IN.find((one) => prototype instanceof (one as new () => object));
  if (base !== undefined) return `extends ${base.name}`;
  for (let level: object | null = prototype; level; level = Object.getPrototypeOf(level) as object | null) {
    const { constructor } = level;
    if (typeof constructor !== 'function' || isNative(constructor)) continue;
    const source = Function.prototype.toString.call(constructor).replaceAll(TEXT_OR_COMMENT, '');
    if (PRIVATE_FIELD.test(source)) return 'has private fields (#name)';
  }
  return '';
}

const LOCAL = new Map<string, object>(
  [Object, Array, Date, Map, RegExp, Set].map((type) => [type.name, type.prototype as object]),
);

/**
 * The prototype of this realm that stands for one of another: what `fetch().json()` answers under jest has a
 * `Object.prototype` of its own. For everything else the prototype itself.
 */
export function localPrototype(prototype: object): object {
  const owner: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  if (typeof owner !== 'function' || owner.prototype !== prototype || !isNative(owner)) return prototype;
  return LOCAL.get(owner.name) ?? prototype;
}

export function isNative(type: Function): boolean {
  // The constructor of a generator's prototype is no function.
  return typeof type === 'function' && Function.prototype.toString.call(type).endsWith('{ [native code] }');
}

/** Assigns an own data property, also where the class has a setter or a constant of that name. */
export function defineOn(target: object, key: string, value: unknown): void {
  if (key in target) {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else define(target, key, value);
}
