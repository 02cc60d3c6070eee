import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import { Deadlines } from '../../lib/stores/deadlines.js';
import { UNATTACHED } from '../../lib/stores/store.interface.js';
import { Deferred, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const never = (): Promise<string> => new Promise<string>(() => undefined);

it('each call that is not answered ends when its own time is over, whatever others do', async () => {
  const clock = new ManualClock();
  const host = {
    ...UNATTACHED,
    now: clock.now,
    after: (ms: number, run: () => void) => clock.after(ms, run),
  };
  const deadlines = new Deadlines(100, () => new Error('late'));
  const ends: string[] = [];
  const note = (name: string, call: Promise<unknown>): void =>
    void call.then(
      () => ends.push(`${name} answered`),
      () => ends.push(`${name} late`),
    );
  const answer = new Deferred<string>();
  note('first', deadlines.within(host, never()));
  clock.advance(60);
  note('second', deadlines.within(host, answer.promise));
  note('third', deadlines.within(host, never()));
  clock.advance(45);
  await settled();
  expect(ends).toEqual(['first late']);
  answer.resolve('');
  await settled();
  clock.advance(60);
  await settled();
  expect(ends).toEqual(['first late', 'second answered', 'third late']);
});

it('each call that is answered in time has its own answer, or its own error', async () => {
  const deadlines = new Deadlines(100, () => new Error('late'));
  const host = { ...UNATTACHED, after: () => () => undefined };
  const answers = Array.from({ length: 1_000 }, (_, i) => deadlines.within(host, Promise.resolve(i)));
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  await expect(deadlines.within(host, Promise.reject(new Error('its own')))).rejects.toThrow('its own');
});

it('what answered calls left behind is let go, though there is always one under way', async () => {
  const COUNT = 300_000;
  const deadlines = new Deadlines(100, () => new Error('late'));
  const host = { ...UNATTACHED, after: () => () => undefined };
  let last = new Deferred();
  let work = deadlines.within(host, last.promise);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < COUNT; i++) {
    const next = new Deferred();
    const waiting = deadlines.within(host, next.promise);
    last.resolve();
    await work;
    [last, work] = [next, waiting];
  }
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(COUNT * 10);
  // It is held until here, with what it holds.
  expect(await deadlines.within(host, Promise.resolve('answer'))).toBe('answer');
});

it('an answer that came while the process was busy is not late', async () => {
  const deadlines = new Deadlines(20, () => new Error('late'));
  const answer = new Promise<string>((resolve) => setTimeout(() => setImmediate(resolve, 'answer'), 10));
  const call = deadlines.within(UNATTACHED, answer);
  const busyUntil = Date.now() + 60;
  while (Date.now() < busyUntil);
  expect(await call).toBe('answer');
});
