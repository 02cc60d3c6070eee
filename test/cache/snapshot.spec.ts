import { describe, expect, it } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { isolateValues, type Isolation } from '../../lib/cache/values/isolation.js';
import { KnownClasses } from '../../lib/cache/values/classes.js';
import { Unstorable } from '../../lib/cache/values/snapshot.js';
import { always } from '../support/randomised.js';
import { sameGraph, sharedObjects } from './support/graphs.js';

class Point {
  constructor(
    public x: unknown = 1,
    public y: unknown = 2,
  ) {}
  get sum(): number {
    return Number(this.x) + Number(this.y);
  }
}
class Point3 extends Point {
  z = 3;
}
class Tags extends Array<string> {}
class Dictionary extends Map<string, string> {}
class Secretive {
  #secret = 1;
  get secret(): number {
    return this.#secret;
  }
}
class Derived extends Secretive {
  x = 1;
}

const classes = new KnownClasses();
for (const one of [Point, Point3, Tags, Dictionary, Secretive, Derived]) classes.add(one);

/** What a hit returns, and another one. */
function hits(value: unknown, isolation: Isolation = 'clone'): [unknown, unknown] {
  const values = isolateValues(isolation, classes);
  const prepared = values.prepare(value);
  if (prepared instanceof Unstorable) throw new Error(String(prepared));
  expect(prepared.size).toBeGreaterThan(0);
  return [values.present(prepared.stored), values.present(prepared.stored)];
}

function refusal(value: unknown): string {
  const prepared = isolateValues('clone', classes).prepare(value);
  return prepared instanceof Unstorable ? String(prepared) : 'stored';
}

function withSymbol(value: object): object {
  return Object.assign(value, { [Symbol('s')]: 1 });
}
function withHidden(value: object): object {
  return Object.defineProperty(value, 'hidden', { value: 1, configurable: true });
}

const cycle: Record<string, unknown> = { name: 'cycle', items: [] };
cycle['self'] = cycle;
(cycle['items'] as unknown[]).push(cycle, new Map([['cycle', cycle]]), new Set([cycle]));
const shared = new Date(5);
const sticky = /a/giy;
sticky.lastIndex = 3;

describe('a hit returns what a miss returned, type for type', () => {
  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['NaN', NaN],
    ['-0', -0],
    ['a bigint', 12n],
    ['texts with anything in them', ['\0', '\ud800', '😀', '']],
    ['numbers', [0, -1, 1.5, Infinity, -Infinity, Number.MAX_VALUE]],
    ['a Date', new Date(7)],
    ['a RegExp, where it stands', sticky],
    [
      'a Map with objects for keys',
      new Map<unknown, unknown>([
        [{ a: 1 }, new Set([1])],
        [-0, NaN],
      ]),
    ],
    ['a Set', new Set([1, '1', null, undefined, { a: 1 }])],
    ['a Buffer', Buffer.from([0, 255, 1])],
    ['an empty Buffer', Buffer.alloc(0)],
    ['bytes', new Uint8Array([1, 2])],
    ['a view into the middle of a buffer', new Uint16Array(new Uint16Array([1, 2, 3, 4]).buffer, 2, 2)],
    ['big integers', new BigInt64Array([1n, -1n])],
    ['floats', new Float64Array([NaN, -0])],
    ['an ArrayBuffer', new Uint8Array([1, 2]).buffer],
    ['holes', Object.assign(new Array<unknown>(5), { 0: 1, 2: 3, 3: undefined })],
    ['one element between a billion holes', Object.assign([], { 300_000_000: { a: 1 } })],
    ['holes at the end', Object.assign(new Array<unknown>(3_000_000), { 7: 'a' })],
    ['a property that is undefined', { a: undefined, b: null }],
    ['__proto__ as a name', JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}')],
    ['no prototype', Object.assign(Object.create(null), { a: 1, hasOwnProperty: 2 })],
    ['an instance', new Point(1, new Point3())],
    ['instances in collections', new Map([[new Point(), [new Point3()]]])],
    ['a cycle', cycle],
    ['shared references', { a: shared, b: shared, list: [shared, shared] }],
    ['what is frozen', Object.freeze({ a: Object.freeze([1]) })],
    ['an empty object', {}],
    ['an array deep within the bound', Array.from({ length: 400 }).reduce<unknown>((inner) => [inner], 1)],
  ])('%s', (_name, value) => {
    for (const isolation of ['clone', 'freeze'] as const) {
      const [one, other] = hits(value, isolation);
      expect(sameGraph(value, one)).toBe('same');
      expect(sharedObjects(value, one)).toEqual([]);
      if (isolation === 'clone') expect(sharedObjects(one, other)).toEqual([]);
    }
    expect(hits(value, 'none')[0]).toBe(value);
  });

  it('an instance has its methods', () => {
    expect((hits(new Point(2, 3))[0] as Point).sum).toBe(5);
  });

  it('an invalid Date', () => {
    expect(Number(hits(new Date(NaN))[0])).toBeNaN();
  });

  it('plain data of another realm, as fetch() answers under jest, becomes plain data of this one', () => {
    const foreign: unknown = runInNewContext('({ a: [1, { at: new Date(1) }], m: new Map([[1, {}]]) })');
    expect(sameGraph({ a: [1, { at: new Date(1) }], m: new Map([[1, {}]]) }, hits(foreign)[0])).toBe('same');
  });

  it('nothing touches a prototype', () => {
    hits(JSON.parse('{"__proto__": {"polluted": true}}'));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('an own property that the prototype has a setter or a constant for', () => {
    class Guarded {
      declare label: string;
    }
    Object.defineProperty(Guarded.prototype, 'label', { get: () => 'class', set: () => undefined });
    const value = new Guarded();
    Object.defineProperty(value, 'label', {
      value: 'own',
      enumerable: true,
      configurable: true,
      writable: true,
    });
    const known = new KnownClasses();
    known.add(Guarded);
    const values = isolateValues('clone', known);
    const prepared = values.prepare(value);
    if (prepared instanceof Unstorable) throw new Error(String(prepared));
    expect((values.present(prepared.stored) as Guarded).label).toBe('own');
  });

  it('random graphs, with no object shared between cache and callers', () => {
    const leaf = fc.oneof(
      fc.anything({
        withBigInt: true,

        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
        withNullPrototype: true,
      }),
      fc.date({ noInvalidDate: true }),
      fc.constantFrom<unknown>(-0, NaN, undefined, null, '\ud800', 1n),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.anything(), fc.anything()).map(([x, y]) => new Point(x, y)),
    );
    const graph = fc.array(leaf, { maxLength: 6 }).map((parts) => {
      // Some parts stand in several places, one of them in itself.
      const whole: Record<string, unknown> = { parts, again: parts[0], map: new Map([[parts[1], parts[2]]]) };
      if (parts.length % 2 === 1) whole['self'] = whole;
      return whole;
    });
    always('a hit returns what a miss returned', 10_000, graph, (value) => {
      const [one, other] = hits(value);
      expect(sameGraph(value, one)).toBe('same');
      expect(sharedObjects(value, one)).toEqual([]);
      expect(sharedObjects(one, other)).toEqual([]);
    });
  });
});

describe('a value that would not come back as it was is refused, with its place and what to do', () => {
  class Unknown {}
  it.each<[string, unknown, RegExp]>([
    ['a function', { a: [() => 1] }, /^the value at a\[0\] is a function\. Return data/],
    ['a symbol', { a: Symbol('s') }, /^the value at a is a symbol/],
    [
      'a name that is a symbol',
      { a: { [Symbol('s')]: 1 } },
      /^the value at a has a property with a symbol.*Symbol\(s\)/,
    ],
    [
      'an accessor',
      {
        a: {
          get b() {
            return 1;
          },
        },
      },
      /^the value at a\.b is an accessor.*lazy relation.*eagerly/,
    ],
    [
      'a hidden property',
      Object.defineProperty({}, 'a', { value: 1 }),
      /^the value at a is an accessor or hidden/,
    ],
    [
      'an unknown class',
      [{ user: new Unknown() }],
      /^the value at \[0\]\.user is an instance of Unknown.*type: \(\) => Unknown/,
    ],
    ['an unknown class at the top', new Unknown(), /^the value is an instance of Unknown/],
    ['a class without a name', [new (class {})()], /^the value at \[0\] is an instance of/],
    [
      'named properties of an array',
      Object.assign([1], { total: 1 }),
      /^the value is an array with named properties/,
    ],
    ['a symbol on an array', withSymbol([1]), /^the value is an array with named properties/],
    ['a symbol on a long array', withSymbol(Array.from({ length: 50 })), /an array with named properties/],
    ['a hidden property of an array', withHidden([1]), /^the value is an array with named properties/],
    [
      'a name on a long array',
      { a: Object.assign(Array.from({ length: 50 }), { total: 1 }) },
      /^the value at a is an array/,
    ],
    [
      'a name on a sparse array',
      Object.assign([], { 5_000_000: 1, total: 1 }),
      /^the value is an array with/,
    ],
    ['a symbol on a sparse array', withSymbol(Object.assign([], { 9: 1 })), /^the value is an array with/],
    ['a symbol on a Date', withSymbol(new Date()), /^the value is a Date with named properties/],
    ['a hidden property of a Date', withHidden(new Date()), /^the value is a Date with named properties/],
    ['a hidden property of a Map', withHidden(new Map()), /^the value is a Map with named properties/],
    ['a symbol on a Set', withSymbol(new Set()), /^the value is a Set with named properties/],
    ['a name on a RegExp', Object.assign(/a/, { source2: 1 }), /^the value is a RegExp with named/],
    [
      'a name on a Buffer',
      Object.assign(Buffer.from('a'), { name: 'x' }),
      /^the value is a Buffer with named/,
    ],
    ['a name on a large Buffer', Object.assign(Buffer.alloc(5_000), { name: 'x' }), /a Buffer with named/],
    ['a hidden property of a Buffer', withHidden(Buffer.alloc(20)), /^the value is a Buffer with named/],
    [
      'a name on a typed array',
      Object.assign(new Float64Array(20), { unit: 'm' }),
      /a Float64Array with named/,
    ],
    ['a symbol on a typed array', withSymbol(new Uint8Array(2)), /^the value is a Uint8Array with named/],
    [
      'a name on an ArrayBuffer',
      Object.assign(new ArrayBuffer(2), { a: 1 }),
      /^the value is a ArrayBuffer with/,
    ],
    [
      'named properties of a Date',
      Object.assign(new Date(), { zone: 1 }),
      /^the value is a Date with named properties/,
    ],
    [
      'named properties of a Map',
      { a: Object.assign(new Map(), { zone: 1 }) },
      /^the value at a is a Map with named/,
    ],
    [
      'a promise',
      { a: Promise.resolve(1) },
      /^the value at a is an instance of Promise.*[Aa]wait|plain data/,
    ],
    ['an error', new Error('x'), /Error/],
    ['a WeakMap', { a: new WeakMap() }, /^the value at a is an instance of WeakMap/],
    ['a DataView', new DataView(new ArrayBuffer(1)), /DataView/],
    ['a boxed number', { a: Object(1) }, /^the value at a is an instance of Number/],
    ['a subclass of Array, known or not', { a: Tags.from(['x']) }, /^the value at a is an instance of Tags/],
    [
      'a subclass of Map, known or not',
      { a: new Dictionary() },
      /^the value at a is an instance of Dictionary/,
    ],
    [
      'a known class with private fields',
      { a: new Secretive() },
      /^the value at a is an instance of Secretive.*private/,
    ],
    [
      'a known class that inherits private fields',
      { a: new Derived() },
      /^the value at a is an instance of Derived.*private/,
    ],
    [
      'what is nested too deep',
      Array.from({ length: 600 }).reduce<unknown>((inner) => ({ a: inner }), 1),
      /nested deeper than 500/,
    ],
    ['a function in a Map', new Map([['a', () => 1]]), /^the value at <value> is a function/],
  ])('%s', (_name, value, reason) => {
    expect(refusal(value)).toMatch(reason);
  });
});

describe('what is cached cannot be changed', () => {
  const fresh = () => ({
    list: [{ n: 1 }],
    date: new Date(1),
    map: new Map([['a', { n: 1 }]]),
    bytes: Buffer.from([1]),
  });
  const change = (value: ReturnType<typeof fresh>): void => {
    value.list[0]!.n = 2;
    value.list.push({ n: 3 });
    value.date.setTime(2);
    value.map.get('a')!.n = 2;
    value.bytes[0] = 2;
  };

  it.each(['clone', 'freeze'] as const)('by whoever loaded it, or whoever read it (%s)', (isolation) => {
    const values = isolateValues(isolation, classes);
    const loaded = fresh();
    const prepared = values.prepare(loaded);
    if (prepared instanceof Unstorable) throw new Error(String(prepared));
    change(loaded);
    const hit = values.present(prepared.stored) as typeof loaded;
    expect(hit).toEqual(fresh());
    change(hit);
    expect(values.present(prepared.stored)).toEqual(fresh());
  });

  it('freeze hands one frozen value to all, on misses too', () => {
    const values = isolateValues('freeze', classes);
    const loaded = { list: [{ n: 1, at: new Point() }] };
    const prepared = values.prepare(loaded);
    if (prepared instanceof Unstorable) throw new Error(String(prepared));
    const hit = values.present(prepared.stored) as typeof loaded;
    expect(values.presentLoaded(loaded, prepared)).toBe(hit);
    expect(values.present(prepared.stored)).toBe(hit);
    expect(() => hit.list.push({ n: 2, at: new Point() })).toThrow(TypeError);
    expect(() => (hit.list[0]!.n = 2)).toThrow(TypeError);
    expect(() => (hit.list[0]!.at.x = 2)).toThrow(TypeError);
    expect(Object.isFrozen(loaded)).toBe(false);
  });
});
