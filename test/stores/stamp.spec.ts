import { describe, expect, it } from '@jest/globals';
import { Stamp, uniteStamps, type Generation } from '../../lib/stores/stamp.js';

const generation = (hard: string, soft = hard): Generation => ({ hard, soft });
const stamp = (tags: Readonly<Record<string, Generation>>, epoch = 'one'): Stamp =>
  new Stamp(epoch, Object.keys(tags), Object.values(tags));

const A = stamp({ a: generation('1'), b: generation('2') });

describe('two stamps are equal', () => {
  it('where they were read in one state of the same tags', () => {
    expect(A.equals(A)).toBe(true);
    expect(A.equals(stamp({ a: generation('1'), b: generation('2') }))).toBe(true);
  });

  it.each<[string, Stamp]>([
    [
      'another history, though its generations are the same',
      stamp({ a: generation('1'), b: generation('2') }, 'two'),
    ],
    ['a purge of one tag', stamp({ a: generation('1'), b: generation('3') })],
    ['an expire of one tag', stamp({ a: generation('1', '3'), b: generation('2') })],
    ['other tags', stamp({ a: generation('1'), c: generation('2') })],
    ['fewer tags', stamp({ a: generation('1') })],
  ])('not after %s', (_, other) => {
    expect([A.equals(other), other.equals(A)]).toEqual([false, false]);
  });
});

describe('stamps united', () => {
  it('are one of all their tags, each once', () => {
    const united = uniteStamps([A, stamp({ b: generation('2'), c: generation('3') })]);
    expect(united).toEqual(stamp({ a: generation('1'), b: generation('2'), c: generation('3') }));
  });

  it.each<[string, Stamp]>([
    ['of two histories', stamp({ c: generation('3') }, 'two')],
    ['with a purge between them', stamp({ b: generation('9') })],
    ['with an expire between them', stamp({ b: generation('2', '9') })],
  ])('%s make no stamp', (_, other) => {
    expect([uniteStamps([A, other]), uniteStamps([other, A])]).toEqual([undefined, undefined]);
  });
});
