import { describe, expect, it } from '@jest/globals';
import { RunnerSlots } from '../../lib/typeorm/collect/runners.js';

describe('what is kept about the objects of others', () => {
  it('is found again, and replaced', () => {
    const values = new RunnerSlots<object, string>();
    const holder = {};
    expect(values.get(holder)).toBeUndefined();
    expect(values.has(holder)).toBe(false);
    values.set(holder, 'one');
    expect(values.get(holder)).toBe('one');
    values.set(holder, 'two');
    expect(values.get(holder)).toBe('two');
    expect(values.has(holder)).toBe(true);
    expect(values.get({})).toBeUndefined();
  });

  it('is not seen by others who keep something about the same object', () => {
    const [first, second] = [new RunnerSlots<object, string>(), new RunnerSlots<object, string>()];
    const holder = {};
    first.set(holder, 'first');
    expect(second.get(holder)).toBeUndefined();
    second.set(holder, 'second');
    second.set(holder, 'second again');
    expect([first.get(holder), second.get(holder)]).toEqual(['first', 'second again']);
  });

  it('makes the object no bigger with each who keeps something about it', () => {
    const holder = {};
    for (let i = 0; i < 10; i++) new RunnerSlots<object, number>().set(holder, i);
    expect(Reflect.ownKeys(holder)).toHaveLength(1);
    expect(Object.keys(holder)).toEqual([]);
  });
});
