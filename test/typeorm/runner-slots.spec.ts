import { describe, expect, it } from '@jest/globals';
import { RunnerSlots } from '../../lib/typeorm/collect/runners.js';

describe('a value in a runner slot', () => {
  it('is found by its holder alone, and can be replaced', () => {
    const slots = new RunnerSlots<object, string>();
    const holder = {};
    expect(slots.get(holder)).toBeUndefined();
    slots.set(holder, 'one');
    expect(slots.get(holder)).toBe('one');
    slots.set(holder, 'two');
    expect(slots.get(holder)).toBe('two');
    expect(slots.get({})).toBeUndefined();
  });

  it('is invisible to other owners of slots on the same holder', () => {
    const [first, second] = [new RunnerSlots<object, string>(), new RunnerSlots<object, string>()];
    const holder = {};
    first.set(holder, 'first');
    expect(second.get(holder)).toBeUndefined();
    second.set(holder, 'second');
    second.set(holder, 'second again');
    expect([first.get(holder), second.get(holder)]).toEqual(['first', 'second again']);
  });

  it('adds one property to its holder, however many owners there are, and no enumerable key', () => {
    const holder = {};
    for (let i = 0; i < 10; i++) new RunnerSlots<object, number>().set(holder, i);
    expect(Reflect.ownKeys(holder)).toHaveLength(1);
    expect(Object.keys(holder)).toEqual([]);
  });
});
