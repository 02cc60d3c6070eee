import { isDeepStrictEqual } from 'node:util';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DataSource, EntityManager } from 'typeorm';
import { encodeValue, UnencodableError } from '../../lib/keys/index.js';
import { always, thrownBy } from './support.js';
import { confuse, disguise, encodable, plainForm } from './values.js';

class UserDto {
  constructor(
    public id: number,
    public name?: string,
  ) {}
}

describe('canonical encoding: two different values never have one text', () => {
  it.each<[string, unknown, unknown]>([
    ['1 and "1"', 1, '1'],
    ['a list and its joined text', ['a', 'b'], 'a,b'],
    ['a list and a shorter one of a joined text', ['a', 'b'], ['a,b']],
    ['an object and its text', { a: 1 }, 'a:1'],
    ['undefined and null', undefined, null],
    ['null and "null"', null, 'null'],
    ['undefined and its token', undefined, '~'],
    ['NFC and NFD', '\u00e9', 'e\u0301'],
    ['1n and 1', 1n, 1],
    ['1n and "1n"', 1n, '1n'],
    ['true and "true"', true, 'true'],
    ['NaN and "NaN"', Number.NaN, 'NaN'],
    ['Infinity and "Infinity"', Infinity, 'Infinity'],
    ['a Date and its text', new Date(0), new Date(0).toISOString()],
    ['a Date and its number', new Date(0), 0],
    ['an invalid Date and NaN', new Date(Number.NaN), Number.NaN],
    ['a Map and an object', new Map([['a', 1]]), { a: 1 }],
    ['a Map of 1 and of "1"', new Map([[1, 1]]), new Map([['1', 1]])],
    ['a Set and a list', new Set([1]), [1]],
    ['a Buffer and a Uint8Array', Buffer.from('a'), Uint8Array.from([97])],
    ['two kinds of typed array', Uint8Array.from([1]), Int8Array.from([1])],
    ['an ArrayBuffer and its bytes', new Uint8Array(1).buffer, new Uint8Array(1)],
    ['a DTO and a plain object', new UserDto(1), { id: 1 }],
    ['a hole and undefined', Object.assign(new Array(2), { 1: 1 }), [undefined, 1]],
    ['no hole and a hole', [], new Array(1)],
    ['lists of different length', [1], [1, undefined]],
    ['nesting', [[1], 2], [[1, 2]]],
    ['a lone surrogate and the replacement character', '\ud800', '\ufffd'],
    ['two lone surrogates', '\ud800', '\ud801'],
    ['an escape and what it stands for', '%20', ' '],
    ['a short escape and a letter, and a long escape', '\tA', '\u009a'],
    ['a quote and none', "'a'", 'a'],
    ['patterns with different flags', /a/g, /a/i],
    ['a URL and its text', new URL('http://a/'), 'http://a/'],
    ['an empty text and none', '', undefined],
    ['an empty list and an empty object', [], {}],
    [
      'an empty Set of a subclass and an object of a class with that name',
      new (class Foo extends Set {})(),
      new (class FooSet {})(),
    ],
    ['a list of a subclass and a list', new (class Ids extends Array {})(), []],
    ['a nested name and a dotted one', { a: { b: 1 } }, { 'a.b': 1 }],
  ])('%s', (_, one, other) => {
    expect(encodeValue(one)).not.toBe(encodeValue(other));
  });

  it('whatever part of a value is taken for something else', () => {
    const choices = fc.array(fc.nat(60), { minLength: 1, maxLength: 4 });
    always<[unknown, number[]]>('a confused value has another text', [encodable, choices], (value, path) => {
      const other = confuse(value, path);
      fc.pre(!isDeepStrictEqual(plainForm(value), plainForm(other)));
      expect(encodeValue(other)).not.toBe(encodeValue(value));
    });
  });

  it('for any two values: one text if and only if they are one input', () => {
    always<[unknown, unknown]>('equal texts, equal values', [encodable, encodable], (one, other) => {
      expect(encodeValue(one) === encodeValue(other)).toBe(
        isDeepStrictEqual(plainForm(one), plainForm(other)),
      );
    });
  });

  it('also as the bytes that a store gets', () => {
    always<[unknown]>('keys are printable ASCII tokens', [encodable], (value) => {
      expect(encodeValue(value)).toMatch(/^[!-~]+$/);
      expect(encodeValue(value)).not.toMatch(/[{}*?[\]\\"^;&=]/);
    });
  });
});

describe('canonical encoding: one input never has two texts', () => {
  it.each<[string, unknown, unknown]>([
    ['the order of object keys', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['the order of a Set', new Set([1, 2]), new Set([2, 1])],
    [
      'the order of a Map',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
    ['the sign of zero', -0, 0],
    ['an absent member', { a: undefined }, {}],
    [
      'an absent member of a DTO',
      new UserDto(1, undefined),
      Object.assign(Object.create(UserDto.prototype), { id: 1 }),
    ],
    ['a prototype of null', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ])('%s makes no difference', (_, one, other) => {
    expect(encodeValue(one)).toBe(encodeValue(other));
  });

  it('whatever form a value comes in', () => {
    always<[unknown]>('a disguised value has the same text', [encodable], (value) => {
      expect(encodeValue(disguise(value))).toBe(encodeValue(value));
    });
  });

  it('writes each character alike, however long its text is', () => {
    const inside = (text: string): string => encodeValue(text).slice(1, -1);
    always(
      'texts of any length',
      [
        fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 400 }),
      ],
      (units, times) => {
        const characters = units.map((unit) => String.fromCharCode(unit));
        // The space must be escaped, so that even the text of one letter is quoted.
        const escapes = characters.map((character) => inside(`${character} `).slice(0, -'%20'.length));
        const long = `${characters.join('')} `.repeat(times);
        expect(inside(long)).toBe(`${escapes.join('')}%20`.repeat(times));
      },
    );
  });

  it('sorts lists at every level only where that is asked for', () => {
    expect(encodeValue([2, [3, 1]], true)).toBe(encodeValue([[1, 3], 2], true));
    expect(encodeValue([2, 1])).not.toBe(encodeValue([1, 2]));
  });
});

describe('canonical encoding is readable', () => {
  it.each<[unknown, string]>([
    [42, '42'],
    ['hello', 'hello'],
    ['42', "'42'"],
    ['a b', "'a%20b'"],
    ['a{b}', "'a%7Bb%7D'"],
    ['\u00e9', "'%E9'"],
    ['\ud83d\ude00', "'%uD83D%uDE00'"],
    ['', "''"],
    ['null', "'null'"],
    [[1, 'a'], '(1,a)'],
    [{ b: 1, a: [true, null] }, '@(a:(true,null),b:1)'],
    [new UserDto(7, 'Ann'), '@UserDto(id:7,name:Ann)'],
    [new Map([['a', 1]]), 'Map(a:1)'],
    [new Set(['b', 'a']), 'Set(a,b)'],
    [new Date(0), 'Date(1970-01-01T00:00:00.000Z)'],
    [10n, '10n'],
    [1e21, '1e+21'],
  ])('%p', (value, text) => {
    expect(encodeValue(value)).toBe(text);
  });
});

describe('what is not data cannot be encoded, and the error says where it was met', () => {
  class Secret {
    #value: number;
    constructor(value: number) {
      this.#value = value;
    }
    get() {
      return this.#value;
    }
  }
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;

  it.each<[string, unknown]>([
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['an AbortSignal', new AbortController().signal],
    ['a stream', Readable.from([])],
    ['an event emitter', new EventEmitter()],
    ['a promise', Promise.resolve()],
    ['a WeakMap', new WeakMap()],
    ['an Error', new Error('a')],
    ['a generator', (function* () {})()],
    ['symbol keys', { [Symbol('a')]: 1 }],
    ['a cycle', cycle],
    ['private state', new Secret(1)],
    ['private state of a base class', new (class Derived extends Secret {})(1)],
    ['a list with named properties', Object.assign([1], { a: 1 })],
    ['a Map with named properties', Object.assign(new Map(), { a: 1 })],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('no');
        },
      },
    ],
    ['a prototype without a class', Object.create({ a: 1 })],
    [
      'arguments',
      (function (..._: unknown[]) {
        // eslint-disable-next-line prefer-rest-params -- the object itself is meant
        return arguments;
      })(1),
    ],
    ['a headers object', new Headers()],
    ['a timer', setTimeout(() => {}, 0).unref()],
    ['an EntityManager', new EntityManager(new DataSource({ type: 'sqljs' }))],
    [
      'a class that holds one',
      new (class Repository {
        manager = () => 1;
      })(),
    ],
  ])('%s', (_, value) => {
    const error = thrownBy(() => encodeValue({ filter: [value] }));
    expect(error).toBeInstanceOf(UnencodableError);
    expect(error.code).toBe('KEY_UNENCODABLE');
    expect(thrownBy(() => encodeValue(value))).toBeInstanceOf(UnencodableError);
  });

  it('names the path', () => {
    const error = thrownBy(() => encodeValue({ filter: [1, { match: () => 1 }] }));
    expect(error.path).toEqual(['filter', '1', 'match']);
    expect(error.message).toContain(
      'the value at "filter.1.match" is a function, which cannot be part of a key',
    );
    expect(error.message).toContain("ArgsKeyField('*', { except: [...] })");
  });

  it('refuses what is nested too deeply, without following it', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 65; level++) deep = [deep];
    expect(() => encodeValue(deep)).toThrow('nested deeper than 64 levels');
    expect(encodeValue((deep as unknown[])[0])).toContain('1');
  });

  it('refuses small values that unfold to huge ones, in bounded time', () => {
    let shared: unknown = 1;
    for (let level = 0; level < 40; level++) shared = { a: shared, b: shared };
    expect(() => encodeValue(shared)).toThrow('more than 1000000 members');
    expect(() => encodeValue(new Array(2 ** 32 - 1))).toThrow('more than 1000000 members');
  });

  it('says that a cycle is one', () => {
    expect(() => encodeValue({ a: [cycle] })).toThrow(
      'the value at "a.0.self" is a part of itself (a cycle)',
    );
  });

  it('takes one object in two places for two members, not for a cycle', () => {
    const shared = { a: 1 };
    expect(encodeValue([shared, shared])).toBe('(@(a:1),@(a:1))');
  });
});
