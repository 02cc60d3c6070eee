const SMALL = 16 * 1024;
const LARGE = 64 * 1024;

/** Linear work takes four times as long for four times as much; quadratic work sixteen times. */
export const MOST_GROWTH = 6;

const ATTEMPTS = 40;
const SAMPLES = 5;

/** So short a time says nothing of growth. Milliseconds. */
const SHORT = 0.05;

/** Nothing is measured twice that takes so long. Milliseconds. */
const FAR_TOO_LONG = 500;

/** So long a time is not made by noise. Milliseconds. */
const LONG = 100;

/** A sample takes so long at least, so that the clock can tell it. Milliseconds. */
const SAMPLE = 2;

/**
 * How the time of work grows from 16 kB to 64 kB. Medians of several runs are compared, and the least growth of several attempts counts:
 * collecting garbage and compiling make work slower, nothing makes it faster.
 *
 * @param prepare makes work of a size; only the work is timed
 */
export async function growthOf(prepare: (size: number) => () => unknown): Promise<number> {
  const small = prepare(SMALL);
  const large = prepare(LARGE);
  await timeOf(small, 1);
  const rounds = Math.min(200, Math.max(1, Math.ceil(SAMPLE / (await timeOf(small, 1)))));
  const once = await timeOf(large, 1);
  if (once > FAR_TOO_LONG) return once / (await timeOf(small, 1));
  let least = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && least >= MOST_GROWTH; attempt++) {
    const before = await median(() => timeOf(small, rounds));
    const after = await median(() => timeOf(large, Math.max(1, Math.ceil(rounds / 4))));
    least = Math.min(least, after < SHORT ? 1 : after / Math.max(before, 0.001));
    // No noise, and many attempts would take minutes.
    if (attempt > 0 && after > LONG) break;
  }
  return least;
}

/** Milliseconds that the processor works for one round: other processes wait in line for it, too. */
async function timeOf(work: () => unknown, rounds: number): Promise<number> {
  const from = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    const done = work();
    if (done instanceof Promise) await done;
  }
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000 / rounds;
}

async function median(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) times.push(await measure());
  return times.sort((one, other) => one - other)[SAMPLES >> 1]!;
}
