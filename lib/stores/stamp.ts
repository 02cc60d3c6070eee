/**
 * The generation of one tag: two values that no two bumps ever share.
 * A purge renews both, an expire only the soft one.
 *
 * @publicApi
 */
export interface Generation {
  /** Renewed by a purge. */
  readonly hard: string | number;
  /** Renewed by any invalidation. */
  readonly soft: string | number;
}

/**
 * The state under which an entry was loaded: the history of the store (epoch) and the generations of all its tags, read before the load
 * began. An entry is fresh only while its stamp equals the current generations.
 *
 * @publicApi
 */
export class Stamp {
  constructor(
    readonly epoch: string,
    readonly tags: readonly string[],
    readonly generations: readonly Generation[],
  ) {}

  /** True if both stamps were read in the same state of the same tags, so that their loads see the same data. */
  equals(other: Stamp): boolean {
    if (this === other) return true;
    if (this.epoch !== other.epoch || this.tags.length !== other.tags.length) return false;
    for (let i = 0; i < this.tags.length; i++) {
      if (this.tags[i] !== other.tags[i]) return false;
      if (!sameGeneration(this.generations[i]!, other.generations[i]!)) return false;
    }
    return true;
  }
}

/**
 * One stamp with the tags of all given stamps.
 * @returns `undefined` where two stamps have different generations of a tag: then not all of them can be current
 */
export function uniteStamps(stamps: readonly Stamp[]): Stamp | undefined {
  const generations = new Map<string, Generation>();
  for (const stamp of stamps) {
    if (stamp.epoch !== stamps[0]!.epoch) return undefined;
    for (let i = 0; i < stamp.tags.length; i++) {
      const [tag, generation] = [stamp.tags[i]!, stamp.generations[i]!];
      const known = generations.get(tag);
      if (known === undefined) generations.set(tag, generation);
      else if (!sameGeneration(known, generation)) return undefined;
    }
  }
  return new Stamp(stamps[0]!.epoch, [...generations.keys()], [...generations.values()]);
}

/**
 * Result of comparing a stamp with the current generations: `current`; `expired`: some soft generation was renewed; or `purged`: some hard
 * generation was renewed or is missing (a missing generation never comes back).
 *
 * @publicApi
 */
export type Verdict = 'current' | 'expired' | 'purged';

/** Compares one generation of a stamp with the current one of its tag. */
export function judgeGeneration(stamped: Generation, current: Generation | undefined): Verdict {
  if (current === stamped) return 'current';
  if (current === undefined || current.hard !== stamped.hard) return 'purged';
  return current.soft === stamped.soft ? 'current' : 'expired';
}

function sameGeneration(a: Generation, b: Generation): boolean {
  return a === b || (a.hard === b.hard && a.soft === b.soft);
}
