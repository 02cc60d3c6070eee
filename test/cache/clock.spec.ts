import { expect, it, jest } from '@jest/globals';
import { systemClock } from '../../lib/common/time.js';
import { ManualClock } from '../../lib/testing.js';
import { UNATTACHED } from '../../lib/stores/store.interface.js';

it.each([
  ['the clock', systemClock.after],
  ['a store without an application', UNATTACHED.after],
])('a timer of %s keeps no process alive', (_, after) => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const cancel = after(600_000, () => undefined);
  expect(timers()).toBe(before);
  cancel();
});

it.each([
  ['the clock', systemClock],
  ['a store without an application', UNATTACHED],
])('%s follows the fake timers of a test', (_, clock) => {
  jest.useFakeTimers({ now: 1_000 });
  try {
    const called = jest.fn();
    clock.after(500, called);
    expect(clock.now()).toBe(1_000);
    jest.advanceTimersByTime(500);
    expect([clock.now(), called.mock.calls.length]).toEqual([1_500, 1]);
  } finally {
    jest.useRealTimers();
  }
});

it('a clock moved by hand runs what comes due, in its order, and never goes back', () => {
  const clock = new ManualClock(0);
  const ran: number[] = [];
  clock.after(20, () => ran.push(clock.now()));
  clock.after(10, () => ran.push(clock.now()));
  const cancel = clock.after(15, () => ran.push(-1));
  clock.after(31, () => ran.push(-1));
  cancel();
  clock.advance(30);
  expect([ran, clock.now()]).toEqual([[10, 20], 30]);
  for (const back of [-1, NaN, undefined as never]) expect(() => clock.advance(back)).toThrow(RangeError);
  expect(new ManualClock().now()).toBe(Date.UTC(2030, 0, 1));
});
