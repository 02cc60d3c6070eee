import { describe, expect, it } from '@jest/globals';
import { ArgsKeyField, encodeValue, type KeyConstructorInput } from '../../lib/keys/index.js';
import { KeyMemo } from '../../lib/keys/key-memo.js';

import { compile, method } from './support.js';

/** Values that JavaScript, a URL or a database spells alike. */
const ALIKE: readonly unknown[] = [
  ...[
    0,
    -0,
    1,
    1n,
    '1',
    '01',
    1.5,
    '1.5',
    true,
    'true',
    false,
    null,
    'null',
    undefined,
    'undefined',
    '',
    '~',
  ],
  ...[NaN, 'NaN', Infinity, '1n', 'é', 'e\u0301', '\ud800', 'a,b', 'a&b=c'],
];

describe('memo of keys', () => {
  it('gives every pair of arguments the key that is written for it', () => {
    const memo = new KeyMemo([0, 1]);
    const written = (args: readonly unknown[]): string => args.map((arg) => encodeValue(arg)).join('&');
    const pairs = ALIKE.flatMap((one) => ALIKE.map((other) => [one, other]));
    for (const round of [1, 2])
      for (const args of pairs) {
        const known = memo.get(args);
        if (round === 2) expect(known).toBe(written(args));
        if (known === undefined) memo.set(args, written(args));
        else expect(known).toBe(written(args));
      }
  });

  it('remembers nothing of objects, which may change', () => {
    const memo = new KeyMemo([0, 1]);
    for (const object of [{ a: 1 }, [1], new Date(0), () => 1]) {
      memo.set([1, object], 'key');
      memo.set([object, 1], 'key');
      expect(memo.get([1, object])).toBeUndefined();
      expect(memo.get([object, 1])).toBeUndefined();
    }
  });

  /** How many of the keys of the numbers below `end` are remembered. */
  const known = (memo: KeyMemo, end: number): number =>
    Array.from({ length: end }, (_, i) => memo.get([i])).filter((key) => key !== undefined).length;

  it('stays bounded, and remembers few keys where none comes again', () => {
    const memo = new KeyMemo([0]);
    for (let i = 0; i < 10_000; i++) {
      memo.set([i], `key${i}`);
      if (i % 1_000 === 0) expect(known(memo, 10_000)).toBeLessThanOrEqual(1_000);
    }
    for (let i = 10_000; i < 20_000; i++) memo.set([i], `key${i}`);
    expect(known(memo, 20_000)).toBeLessThanOrEqual(1_000);
  });

  it('finds a key that comes often among many that come once', () => {
    const memo = new KeyMemo([0]);
    for (let i = 0; i < 10_000; i++) memo.set([i], `key${i}`);
    let calls = 0;
    while (memo.get(['often']) === undefined && calls++ < 100) memo.set(['often'], 'key');
    expect(memo.get(['often'])).toBe('key');
  });

  it.each<[string, KeyConstructorInput, boolean]>([
    ['two arguments', { a: new ArgsKeyField('a', { partition: true }), b: new ArgsKeyField('b') }, true],
    ['a part of an argument', { a: new ArgsKeyField('a', { path: 'id' }) }, false],
    ['a normalized argument', { a: new ArgsKeyField('a', { normalizer: () => Math.random() }) }, false],
    ['a hashed argument', { a: new ArgsKeyField('a', { hashValue: true }) }, false],
    ['all arguments', { a: new ArgsKeyField('*') }, false],
    ['a function', (a: unknown) => a, false],
  ])('keys of %s are remembered only where the arguments alone decide them', (_, input, isRemembered) => {
    expect(compile(input, method('a', 'b')).createMemo() !== undefined).toBe(isRemembered);
  });
});
