import { randomBytes } from 'node:crypto';
import { joinGeneration, splitGeneration } from './entry-codec.js';
import { judgeGeneration, type Generation, type Stamp, type Verdict } from './stamp.js';

const DAY_MS = 86_400_000;

/** Lifetime of entries without expiry that are not read, and of generations on a store that cannot extend a life. */
export const IDLE_MS = 30 * DAY_MS;

/**
 * Lifetime of a generation under which no entry is written yet. It must cover a load: the entry of a longer one is a miss, since its
 * generation is missing then.
 */
export const FLOOR_MS = 15 * 60_000;

/** A generation outlives the entries under it by this much. */
const MARGIN_MS = 60_000;

/** Longer lifetimes are shortened to this: afterwards the entry is loaded again. */
const MAX_LIFE_MS = 365 * DAY_MS;

/** A new generation, as shared stores hold it. */
export function newGeneration(): string {
  return joinGeneration({ hard: newHalf(), soft: newHalf() });
}

/** Half of a generation: random, so that two writers never choose the same. */
export function newHalf(): string {
  return randomBytes(9).toString('base64url');
}

/** @returns `undefined` for a missing or unreadable generation */
export function parseGeneration(text: string | null | undefined): Generation | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return splitGeneration(text);
  } catch {
    return undefined;
  }
}

/** Compares a stamp with generations as shared stores hold them. */
export function judgeStamp(stamp: Stamp, current: (tag: string) => string | null | undefined): Verdict {
  let verdict: Verdict = 'current';
  for (let i = 0; i < stamp.tags.length; i++) {
    const one = judgeGeneration(stamp.generations[i]!, parseGeneration(current(stamp.tags[i]!)));
    if (one === 'purged') return one;
    if (one === 'expired') verdict = one;
  }
  return verdict;
}

/** Lifetimes of an entry and its generations in a shared store, in milliseconds. */
export function physicalLife(entry: { readonly cachedAt: number; readonly keepUntil: number }): {
  entry: number;
  generations: number;
} {
  const life = Math.ceil(Math.min(entry.keepUntil - entry.cachedAt, MAX_LIFE_MS));
  const entryLife = Number.isFinite(entry.keepUntil) ? Math.max(1, life) : IDLE_MS;
  return { entry: entryLife, generations: Math.max(FLOOR_MS, entryLife + MARGIN_MS) };
}
