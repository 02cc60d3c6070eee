import { median } from './http/table.mjs';

/**
 * Times subjects in interleaved rounds, so that what else the machine does falls on all alike.
 * @param {Record<string, { calls: number, concurrency?: number, run: () => unknown }>} subjects
 * @returns {Promise<Record<string, number[]>>} microseconds a call, round by round
 */
export async function interleaved(subjects, rounds) {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    for (const [name, { calls, concurrency = 1, run }] of Object.entries(subjects)) {
      const began = performance.now();
      if (concurrency === 1) {
        for (let i = 0; i < calls; i++) await run();
      } else {
        let left = calls;
        const lane = async () => {
          while (left-- > 0) await run();
        };
        await Promise.all(Array.from({ length: concurrency }, lane));
      }
      if (round >= 0) times[name].push(((performance.now() - began) * 1000) / calls);
    }
  }
  return times;
}

const range = (numbers, digits) =>
  `${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)}`;

export function report(times) {
  for (const [name, list] of Object.entries(times)) {
    console.log(`${name.padEnd(52)} ${median(list).toFixed(2).padStart(9)} µs a call  (${range(list, 2)})`);
  }
}

/** How many times slower one is than another: the median of the rounds, each of which saw one machine, and their range. */
export function ratio(times, slow, fast) {
  const ratios = times[slow].map((time, round) => time / times[fast][round]);
  return `${median(ratios).toFixed(2)} (${range(ratios, 2)})`;
}
