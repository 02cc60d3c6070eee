import { describe, expect, it } from '@jest/globals';
import { LATE, orLate, pause, within } from '../../lib/common/async.js';
import { Deferred, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

const never = (): Promise<string> => new Promise<string>(() => undefined);

describe('within', () => {
  it('ends each wait when its own time is over, whatever others do', async () => {
    const clock = new ManualClock();
    const ends: string[] = [];
    const note = (name: string, work: Promise<string>): void =>
      void within(clock, 100, work, () => 'late').then((end) => ends.push(`${name} ${end}`));
    const answer = new Deferred<string>();
    note('first', never());
    clock.advance(60);
    note('second', answer.promise);
    note('third', never());
    clock.advance(45);
    await settled();
    expect(ends).toEqual(['first late']);
    answer.resolve('answered');
    await settled();
    clock.advance(60);
    await settled();
    expect(ends).toEqual(['first late', 'second answered', 'third late']);
  });

  it('gives the result or the error of work that ends in time, and leaves no timer behind', async () => {
    let timers = 0;
    const counting = { after: () => (timers++, () => void timers--) };
    const results = Array.from({ length: 100 }, (_, i) => within(counting, 100, Promise.resolve(i)));
    expect(await Promise.all(results)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await expect(within(counting, 100, Promise.reject(new Error('its own')))).rejects.toThrow('its own');
    expect(timers).toBe(0);
  });

  it('gives undefined, another value or an error in place of a late result', async () => {
    const clock = new ManualClock();
    const ends = [
      within(clock, 10, never()),
      within(clock, 10, never(), orLate),
      within(clock, 10, never(), () => {
        throw new Error('too late');
      }),
    ];
    const settledEnds = Promise.allSettled(ends);
    clock.advance(10);
    expect(await settledEnds).toMatchObject([
      { value: undefined },
      { value: LATE },
      { reason: new Error('too late') },
    ]);
  });

  it('sets no timer for an infinite time', async () => {
    const timers = {
      after: (): never => {
        throw new Error('a timer');
      },
    };
    expect(await within(timers, Infinity, Promise.resolve('result'))).toBe('result');
  });
});

it('pause() ends when the clock says so', async () => {
  const clock = new ManualClock();
  let isOver = false;
  void pause(clock, 50).then(() => (isOver = true));
  clock.advance(49);
  await settled();
  expect(isOver).toBe(false);
  clock.advance(1);
  await settled();
  expect(isOver).toBe(true);
});
