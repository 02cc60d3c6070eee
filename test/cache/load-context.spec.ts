import { describe, expect, it } from '@jest/globals';
import { LoadContext } from '../../lib/cache/engine/load-context.js';
import { memoryStore } from '../../lib/index.js';
import { Stamp } from '../../lib/stores/stamp.js';

const store = memoryStore();
const stamp = (tag: string, generation = '1', epoch = 'one'): Stamp =>
  new Stamp(epoch, [tag], [{ hard: generation, soft: generation }]);
const context = (...inner: Stamp[]): LoadContext => {
  const made = new LoadContext(store);
  for (const one of inner) made.inherit(store, one, Infinity);
  return made;
};

describe('what a load inherits', () => {
  it('is added to the stamp of the outer load', () => {
    expect(context(stamp('b'), stamp('c')).complete(stamp('a'))).toEqual(
      new Stamp('one', ['a', 'b', 'c'], Array(3).fill({ hard: '1', soft: '1' })),
    );
    expect(context().complete(stamp('a'))).toEqual(stamp('a'));
  });

  it.each([
    ['a tag was bumped between them', stamp('a', '2')],
    ['the store lost its data between them', stamp('b', '1', 'two')],
  ])('contradicts the stamp of the outer load if %s: the value is not stored', (_, inner) => {
    const made = context(inner);
    expect(made.refusal).toBeUndefined();
    expect(made.complete(stamp('a'))).toBeUndefined();
  });

  it.each([
    ['a tag was bumped', stamp('b', '2'), /changed during the load/],
    ['the store lost its data', stamp('c', '1', 'two'), /lost its data/],
  ])('contradicts itself if %s between two inner calls', (_, second, why) => {
    expect(context(stamp('b'), second).refusal).toMatch(why);
  });

  it('is passed from a batch load to each of its items: reasons not to store, lifetime, and tags', () => {
    const round = context(stamp('b'));
    round.limit(1_000);
    const own = new LoadContext(store);
    own.absorb(round);
    expect([own.refusal, own.freshUntil]).toEqual([undefined, 1_000]);
    expect(own.complete(stamp('a'))!.tags).toEqual(['a', 'b']);
    round.refuse('a transaction was open', true);
    const refused = new LoadContext(store);
    refused.absorb(round);
    expect([refused.refusal, refused.lasting]).toEqual(['a transaction was open', true]);
    const brief = new LoadContext(store);
    brief.limit(5);
    const other = new LoadContext(store);
    other.absorb(brief);
    expect(other.freshUntil).toBe(5);
  });
});
