import { randomBytes } from 'node:crypto';
import { joinGeneration, splitGeneration } from './entry-codec.js';
import { judgeGeneration, type Generation, type Stamp, type Verdict } from './stamp.js';

const DAY_MS = 86_400_000;

/** How long a generation lives that nobody writes entries under; entries without expiry live as long. */
export const IDLE_MS = 30 * DAY_MS;

/** A generation outlives the entries under it by this much. */
const MARGIN_MS = DAY_MS;

/** Longer lifetimes are cut: the entry is loaded again then. */
const MAX_LIFE_MS = 365 * DAY_MS;

/** A new generation, as a shared store holds it. */
export function newGeneration(): string {
  return joinGeneration({ hard: newHalf(), soft: newHalf() });
}

/** Half of a generation: random, so that no two writers ever choose the same. */
export function newHalf(): string {
  return randomBytes(9).toString('base64url');
}

/** What is missing or unreadable is `undefined`. */
export function parseGeneration(text: string | null | undefined): Generation | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return splitGeneration(text);
  } catch {
    return undefined;
  }
}

/** Compares a stamp with generations as a shared store holds them. */
export function judgeStamp(stamp: Stamp, current: (tag: string) => string | null | undefined): Verdict {
  let verdict: Verdict = 'current';
  for (let i = 0; i < stamp.tags.length; i++) {
    const one = judgeGeneration(stamp.generations[i]!, parseGeneration(current(stamp.tags[i]!)));
    if (one === 'purged') return one;
    if (one === 'expired') verdict = one;
  }
  return verdict;
}

/** How long an entry and its generations live in a shared store, in milliseconds. */
export function physicalLife(entry: { readonly cachedAt: number; readonly keepUntil: number }): {
  entry: number;
  generations: number;
} {
  const life = Math.ceil(Math.min(entry.keepUntil - entry.cachedAt, MAX_LIFE_MS));
  const own = Number.isFinite(entry.keepUntil) ? Math.max(1, life) : IDLE_MS;
  return { entry: own, generations: Math.max(IDLE_MS, own + MARGIN_MS) };
}
