import { readList, readParameters, type SourceToken, SourceScanner } from '../../keys/function-source.js';
import { isNative } from './classes.js';

/** Built-in classes whose state is not in their properties: instances of their subclasses cannot be copied. */
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

/** `#name`, and the helpers of TypeScript, Babel, swc, oxc and esbuild for targets that lack it. */
const PRIVATE_FIELD =
  /#[\p{ID_Start}$_]|class_?private_?(?:field|method|getter|setter)|assertClassBrand|__private(?:Add|Get|Set|Method|In|Wrapper)\b/iu;
const TEXT_OR_COMMENT = /`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[^]*?\*\/|\/\/.*/g;

/** `private.set(this, …)` and `brand.add(this)`: state beside the instance, in a WeakMap or WeakSet. */
const REGISTRATION = /(?<![\w$.])(?!Reflect\b)[\w$]+\.(?:set|add)\(\s*this\s*[,)]/;
/** `helper(this, name` and `(0, module.helper)(this, name`: the same by a helper that a minifier renamed. */
const RENAMED_HELPER = /(?:(?<![\w$.])([\w$]+)|\._|\))\(\s*this\s*,\s*([A-Za-z_$][\w$]*)\s*[,)]/g;
/** Helpers that define public fields, and words that are no functions. */
const HARMLESS = /^(?:if|while|for|switch|return|super|__publicField|_?define_?property\d*)$/i;
const NO_NAME = /^(?:this|null|undefined|true|false|void|new|function|class|typeof|arguments)$/;

/** How many instances without a result are compared. */
const MAX_COMPARISONS = 5;

interface Findings {
  obstacle: string;
  /** How many instances may still be compared with their copies. */
  comparisons: number;
}

const findings = new WeakMap<object, Findings>();

/**
 * Why instances of a class cannot be copied property by property: a copy would lack private fields, or the content of a built-in base
 * class.
 *
 * @returns the reason; empty if they can; `undefined` if nothing in the source of the class is against it, but no instance was compared with
 * a copy yet
 */
export function obstacleOf(prototype: object): string | undefined {
  let found = findings.get(prototype);
  if (found === undefined)
    findings.set(prototype, (found = { obstacle: findObstacle(prototype), comparisons: MAX_COMPARISONS }));
  return found.obstacle === '' && found.comparisons > 0 ? undefined : found.obstacle;
}

/** @param obstacle of {@link revivalObstacle} */
export function noteObstacle(prototype: object, obstacle: string | undefined): void {
  const found = findings.get(prototype)!;
  found.obstacle = obstacle ?? '';
  found.comparisons = obstacle === undefined ? found.comparisons - 1 : 0;
}

function findObstacle(prototype: object): string {
  const base = BUILT_IN.find((one) => prototype instanceof (one as new () => object));
  if (base !== undefined) return `extends ${base.name}: a copy would lack its content`;
  for (let level: object | null = prototype; level; level = Object.getPrototypeOf(level) as object | null) {
    const { constructor } = level;
    if (typeof constructor !== 'function' || isNative(constructor)) continue;
    if (sourcesOf(constructor, level).some((source) => PRIVATE_FIELD.test(source)))
      return 'has private fields (#name): a copy would lack them';
    if (keepsStateElsewhere(constructor))
      return (
        'registers its instances in its constructor (a WeakMap, or private fields that a compiler replaced by one): a copy ' +
        'would not be registered'
      );
  }
  return '';
}

/** Source of a class without its texts and comments; that of its methods too where a compiler made it a function. */
function sourcesOf(constructor: Function, prototype: object): string[] {
  const source = codeOf(constructor);
  if (source.startsWith('class')) return [source];
  const members = Object.values(Object.getOwnPropertyDescriptors(prototype));
  const functions = members.flatMap(({ value, get }) => [value as unknown, get]);
  return [
    source,
    ...functions
      .filter((one) => typeof one === 'function' && one !== constructor)
      .map((one) => codeOf(one as Function)),
  ];
}

function codeOf(one: Function): string {
  return Function.prototype.toString.call(one).replaceAll(TEXT_OR_COMMENT, '');
}

function keepsStateElsewhere(type: Function): boolean {
  const constructor = constructorOf(type);
  if (constructor === undefined) return false;
  const code = constructor.body.replaceAll(TEXT_OR_COMMENT, '');
  if (REGISTRATION.test(code)) return true;
  for (const [, helper = '', name = ''] of code.matchAll(RENAMED_HELPER)) {
    const isOwn = constructor.parameters.includes(name) || name === constructor.name;
    if (!HARMLESS.test(helper) && !NO_NAME.test(name) && !isOwn) return true;
  }
  return false;
}

interface ConstructorSource {
  /** The name in the source, which its own code refers to: ES5 compilers check `this` against it. */
  readonly name: string | undefined;
  readonly parameters: readonly string[];
  readonly body: string;
}

/** @returns `undefined` for a class that declares no constructor */
function constructorOf(type: Function): ConstructorSource | undefined {
  const source = Function.prototype.toString.call(type);
  const name = /^(?:class|function)\s+([\w$]+)/.exec(source)?.[1];
  if (!source.startsWith('class')) return { name, parameters: readParameters(type).names, body: source };
  const scanner = new SourceScanner(source);
  let members: SourceToken | undefined;
  for (let token = scanner.next(); token !== undefined; token = scanner.next())
    if (token.kind === 'group' && token.text.startsWith('{')) members = token;
  if (members === undefined) return undefined;
  const inner = new SourceScanner(source, members.start + 1, members.end - 1);
  let list: SourceToken | undefined;
  let previous: SourceToken | undefined;
  for (let token = inner.next(); token !== undefined; token = inner.next()) {
    if (list !== undefined && token.kind === 'group' && token.text.startsWith('{'))
      return { name, parameters: readList(source, list).names, body: token.text };
    list = previous?.text === 'constructor' && token.text.startsWith('(') ? token : undefined;
    previous = token;
  }
  return undefined;
}

/** Methods that serializers and templates call, so that calling them has no effects. */
const CONVERSIONS: readonly PropertyKey[] = ['toJSON', 'toString', 'valueOf', Symbol.toPrimitive];

/**
 * Compares an instance with a copy of it, by the getters of its class and the methods that convert it. State that is not in its
 * properties (in a WeakMap, in a closure) is missing in the copy, which a caller would learn on a hit only.
 *
 * @returns what the copy cannot do; empty if it can do everything; `undefined` if the original cannot do everything either, so that
 * another instance should be compared
 */
export function revivalObstacle(original: object, copy: object): string | undefined {
  let isComplete = true;
  for (const [name, read] of readersOf(original)) {
    const expected = outcomeOf(() => read(original));
    if (expected === FAILED) {
      isComplete = false;
      continue;
    }
    const outcome = outcomeOf(() => read(copy));
    if (outcome === FAILED)
      return `cannot be copied: ${name} throws on a copy (state that is not in its properties)`;
    // One that changes by itself, such as a time, tells nothing.
    const isStable = looksAlike(
      expected,
      outcomeOf(() => read(original)),
    );
    if (isStable && !looksAlike(expected, outcome))
      return `cannot be copied: ${name} answers something else on a copy (state that is not in its properties)`;
  }
  return isComplete ? '' : undefined;
}

type Reader = readonly [name: string, read: (self: object) => unknown];

function readersOf(instance: object): Reader[] {
  const readers = new Map<PropertyKey, Reader>();
  let level = Object.getPrototypeOf(instance) as object | null;
  for (
    ;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level) as object | null
  ) {
    for (const key of Reflect.ownKeys(level)) {
      if (readers.has(key) || key === 'constructor') continue;
      const { get, value } = Reflect.getOwnPropertyDescriptor(level, key)!;
      const name = String(key);
      if (get !== undefined) readers.set(key, [`the getter ${name}`, (self) => get.call(self) as unknown]);
      else if (typeof value === 'function' && CONVERSIONS.includes(key))
        readers.set(key, [`${name}()`, (self) => (value as () => unknown).call(self)]);
    }
  }
  return [...readers.values()];
}

const FAILED = Symbol('failed');

function outcomeOf(read: () => unknown): unknown {
  try {
    const outcome = read();
    if (outcome instanceof Promise) outcome.catch(() => undefined);
    return outcome;
  } catch {
    return FAILED;
  }
}

/** Whether two answers are the same value, or objects of some kind both. */
function looksAlike(one: unknown, other: unknown): boolean {
  const isObject = typeof one === 'object' && one !== null;
  return isObject
    ? typeof other === 'object' && other !== null
    : Object.is(one, other) || typeof one === 'function';
}
