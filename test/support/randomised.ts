import fc from 'fast-check';

export const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

export const isSoak = process.env['SOAK'] === '1';

/** The full count in `npm run soak` (SOAK=1), a tenth otherwise. */
export function soaked(count: number): number {
  return isSoak ? count : Math.ceil(count / 10);
}

export function announce(promise: string, count: number): void {
  process.stderr.write(`SEED=${seed} runs=${count}: ${promise}\n`);
}

/** Runs a property a tenth of `count` times, or all of them when soaking, with a seed that is printed. */
export function always<T>(
  promise: string,
  count: number,
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => void,
): void {
  const numRuns = soaked(count);
  announce(promise, numRuns);
  fc.assert(fc.property(arbitrary, holds), { seed, numRuns });
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function randomNumbers(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
