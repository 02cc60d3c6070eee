import { beforeAll, describe, expect, it } from '@jest/globals';
import { isolateValues } from '../../lib/cache/values/isolation.js';
import { KnownClasses } from '../../lib/cache/values/classes.js';
import { decodeEntry, encodeEntry } from '../../lib/stores/entry-codec.js';
import { openPacking } from '../../lib/stores/packing.js';
import { Entry } from '../../lib/stores/store.interface.js';
import { Stamp } from '../../lib/stores/stamp.js';

beforeAll(openPacking);

class User {
  constructor(readonly name: string) {}
  greet(): string {
    return `I am ${this.name}`;
  }
}

const classes = new KnownClasses();
classes.add(User);
const values = isolateValues('clone', classes);

/** Through the bytes of a shared store and back. */
function roundTrip(value: unknown): unknown {
  const prepared = values.prepare(value) as { stored: unknown; size: number };
  const entry = new Entry(prepared.stored, 1, 2, 3, new Stamp('epoch', [], []), prepared.size);
  const decoded = decodeEntry(encodeEntry(entry, values))!.open(values);
  return values.present(decoded.value);
}

describe('a value that travels through a shared store', () => {
  const holes: unknown[] = [1];
  holes[5] = 'five';
  const cyclic: Record<string, unknown> = { users: [new User('Ada')], minus: -0 };
  cyclic['self'] = cyclic;

  it.each<[string, unknown]>([
    [
      'instances',
      { user: new User('Ada'), users: [new User('Grace')], map: new Map([['u', new User('Joan')]]) },
    ],
    ['holes', holes],
    ['one element between a billion holes', Object.assign([], { 300_000_000: 'far' })],
    ['-0 among numbers', [0, -0, NaN, Infinity]],
    [
      'typed arrays',
      [
        new Float64Array([1.5, -0]),
        new BigInt64Array([-5n]),
        new Uint16Array([1, 2, 3]).subarray(1),
        new Uint8Array([7]),
      ],
    ],
    [
      'an array of clamped bytes',
      { bytes: new Uint8ClampedArray([300, -1]), more: new BigUint64Array([5n]) },
    ],
    ['a long text with a lone surrogate', `${'x'.repeat(300_000)}\ud800`],
    ['a property called __proto__', JSON.parse('{"__proto__":{"admin":true},"a":1}')],
    ['properties that codecs look at', { constructor: 1, toJSON: 'x', rows: [{ constructor: 2, then: 1 }] }],
    ['a null prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['the mark itself', { '\u0000restflow': ['instance', ['User', 'name', 'Eve']], minus: -0 }],
    [
      'dates, sets, bigints and bytes',
      { d: new Date(5), s: new Set([1n]), b: Buffer.from([0, 255]), u: undefined },
    ],
  ])('comes back equal, type for type: %s', (_, value) => {
    expect(roundTrip(value)).toStrictEqual(value);
  });

  it('keeps the lastIndex of a RegExp', () => {
    const sticky = /a/giy;
    sticky.lastIndex = 3;
    const [one, other] = roundTrip([sticky, sticky]) as RegExp[];
    expect(one).toEqual(sticky);
    expect(one!.lastIndex).toBe(3);
    expect(other).toBe(one);
  });

  it('keeps cycles, and the methods of instances inside them', () => {
    const back = roundTrip(cyclic) as { self: unknown; users: User[]; minus: number };
    expect(back.self).toBe(back);
    expect(back.users[0]!.greet()).toBe('I am Ada');
    expect(Object.is(back.minus, -0)).toBe(true);
  });

  it('pollutes no prototype', () => {
    const back = roundTrip(JSON.parse('{"__proto__":{"admin":true}}')) as { admin?: boolean };
    expect(back.admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('is a miss when a bit of it is flipped, a class is unknown, or it is cut off', () => {
    const prepared = values.prepare({ user: new User('Ada') }) as { stored: unknown; size: number };
    const bytes = encodeEntry(
      new Entry(prepared.stored, 1, 2, 3, new Stamp('epoch', ['t'], [{ hard: 'a', soft: 'b' }]), 1),
      values,
    );
    expect(decodeEntry(bytes.subarray(0, bytes.length - 1))).toBeUndefined();
    expect(decodeEntry(Buffer.from('garbage'))).toBeUndefined();
    expect(decodeEntry(Buffer.concat([Buffer.from([99]), bytes.subarray(1)]))).toBeUndefined();
    const stranger = isolateValues('clone', new KnownClasses());
    expect(() => decodeEntry(bytes)!.open(stranger)).toThrow('User');
  });
});
