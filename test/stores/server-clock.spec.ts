import { expect, it } from '@jest/globals';
import { ServerClock } from '../../lib/stores/redis/server-clock.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';

const RUNS = soaked(2_000);
const MEASUREMENTS = 200;

it('the distance to the clock of a server is right within the time that an answer takes, and rarely moves', () => {
  const promise = 'distances of clocks';
  announce(promise, RUNS);
  const random = randomNumbers(seed);
  for (let run = 0; run < RUNS; run++) {
    const clock = new ServerClock();
    // Apart by up to ten minutes, and up to 50 ppm too fast.
    const apart = run % 4 === 0 ? 0 : Math.round((random() - 0.5) * 1_200_000);
    const drift = run % 3 === 0 ? 0 : (random() - 0.5) * 1e-4;
    let [now, moves, slowest] = [1.9e12 + random() * 1e9, 0, 0];
    for (let i = 0; i < MEASUREMENTS; i++) {
      const [there, back] = [random() ** 4 * 300, random() ** 4 * 300];
      const server = (at: number): number => at + apart + drift * i * 1_000;
      const before = clock.ahead;
      const isStep = clock.measure(
        Math.floor(server(now + there)),
        Math.floor(now),
        Math.floor(now + there + back),
      );
      expect(isStep).toBe(false);
      if (i > 0 && clock.ahead !== before) moves++;
      slowest = Math.max(slowest, there + back);
      expect(Number.isInteger(clock.ahead)).toBe(true);
      expect(Math.abs(clock.ahead - (apart + drift * i * 1_000))).toBeLessThan(slowest + 3);
      now += 1_000;
    }
    if (apart === 0 && drift === 0) expect(clock.ahead).toBe(0);
    if (drift === 0) expect(moves).toBeLessThan(15);
  }
});

it('a clock that is set is noticed with the next measurement, and once', () => {
  const clock = new ServerClock();
  expect(clock.measure(1_600_000, 1_000_000, 1_000_004)).toBe(false);
  expect(clock.measure(1_601_002, 1_001_000, 1_001_004)).toBe(false);
  // Ten minutes back, by whoever sets clocks.
  expect(clock.measure(1_602_002, 402_000, 402_004)).toBe(true);
  expect(clock.ahead).toBeGreaterThan(1_199_990);
  expect(clock.measure(1_603_002, 403_000, 403_004)).toBe(false);
});

it('a measurement during which the clock was set back says nothing', () => {
  const clock = new ServerClock();
  clock.measure(1_600_000, 1_000_000, 1_000_004);
  const { ahead } = clock;
  expect(clock.measure(1_601_000, 1_001_000, 401_000)).toBe(false);
  expect(clock.ahead).toBe(ahead);
});
