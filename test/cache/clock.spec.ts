import { expect, it } from '@jest/globals';
import { systemClock } from '../../lib/cache/clock.js';
import { UNATTACHED } from '../../lib/stores/store-host.js';

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
