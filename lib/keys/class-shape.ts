/** What may be said about the instances of one class. */
export interface ClassShape {
  /** The name of the class; `''` for an anonymous one. */
  readonly name: string;
  /** Why instances cannot be told apart by their own properties; `undefined` where they can. */
  readonly opaque: string | undefined;
}

const shapes = new WeakMap<object, ClassShape>();

/** Private state in use: `this.#x`, and what TypeScript, swc and Babel make of it for old targets. */
const PRIVATE_STATE = /\.#[\p{ID_Start}$_]|\.set\(this,|private_?field_?init/iu;

/** Describes the class a prototype belongs to; remembered per prototype. */
export function classShape(prototype: object): ClassShape {
  let shape = shapes.get(prototype);
  if (shape === undefined) {
    shape = describe(prototype);
    shapes.set(prototype, shape);
  }
  return shape;
}

/** True for the prototype of a plain object, of this realm or another (tests run in their own). */
export function isPlainPrototype(prototype: object | null): boolean {
  return (
    prototype === Object.prototype ||
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}

function describe(prototype: object): ClassShape {
  const constructor: unknown = Object.hasOwn(prototype, 'constructor') ? prototype.constructor : undefined;
  if (typeof constructor !== 'function') return { name: '', opaque: 'an object with a prototype of its own' };
  const name = typeof constructor.name === 'string' ? constructor.name : '';
  for (let level: object | null = prototype; !isPlainPrototype(level); level = Object.getPrototypeOf(level)) {
    const source = Function.prototype.toString.call(level!.constructor);
    if (PRIVATE_STATE.test(source)) {
      return { name, opaque: `an instance of ${name || 'a class'}, whose private state cannot be read` };
    }
  }
  return { name, opaque: undefined };
}
