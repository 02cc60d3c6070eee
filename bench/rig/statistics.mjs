/** The median of numbers. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Probability that the median of the distribution lies between two of the sorted numbers. */
const CONFIDENCE = 0.95;

/**
 * The median and its interval, without assumptions about the distribution: the sorted numbers between which the true median lies with
 * 95 % confidence. Of fewer than six numbers no two say so much: then their range.
 */
export function summary(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const n = sorted.length;
  let outside = 0;
  let k = 0;
  for (let combinations = 1; k < n >> 1; k++) {
    // The probability that at most k of n fair coins show heads.
    outside += combinations / 2 ** n;
    if (1 - 2 * outside < CONFIDENCE) break;
    combinations = (combinations * (n - k)) / (k + 1);
  }
  const at = Math.max(0, k - 1);
  return { median: median(sorted), low: sorted[at], high: sorted[n - 1 - at], rounds: n };
}

/** Ratios of two lists, round by round: both sides of a ratio saw one machine. */
export const paired = (above, below) => above.map((value, round) => value / below[round]);
