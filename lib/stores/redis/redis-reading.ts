import type { Entry, StoreQuery } from '../store.interface.js';
import { decodeEntry, type DecodedEntry } from '../entry-codec.js';
import { judgeStamp, parseGeneration } from '../shared-generations.js';
import type { Generation } from '../stamp.js';

/** An entry that may be current: it was read, of this history, and carries every tag of its key. */
export interface Candidate {
  readonly query: StoreQuery;
  readonly decoded: DecodedEntry;
}

/** What stands under names, as Redis answered in one history. */
export class RedisReading {
  readonly #values = new Map<string, Buffer | null>();

  constructor(
    readonly epoch: string,
    names: readonly string[],
    values: readonly (Buffer | null)[],
  ) {
    this.add(names, values);
  }

  add(names: readonly string[], values: readonly (Buffer | null)[]): void {
    names.forEach((name, i) => this.#values.set(name, values[i]!));
  }

  /** Whether it was asked for. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Whether something stands there. */
  isTaken(name: string): boolean {
    return this.#values.get(name) != null;
  }

  /** What is missing or unreadable is `undefined`. */
  generation(tag: string): Generation | undefined {
    return parseGeneration(this.#text(tag));
  }

  /** An entry that lacks a tag was written by a build that did not know it: a bump of the tag would not end it. */
  candidate(query: StoreQuery): Candidate | undefined {
    const decoded = decodeOf(this.#values.get(query.key), this.epoch);
    if (decoded === undefined) return undefined;
    const { tags } = decoded.stamp;
    return query.tags().every((tag) => tags.includes(tag)) ? { query, decoded } : undefined;
  }

  /** The entry of a candidate, unless it was purged. Every tag it carries must have been asked for. */
  open({ query, decoded }: Candidate): Entry | undefined {
    const verdict = judgeStamp(decoded.stamp, (tag) => this.#text(tag));
    const entry = verdict === 'purged' ? undefined : open(decoded, query);
    if (entry !== undefined) entry.expired = verdict === 'expired';
    return entry;
  }

  #text(tag: string): string | undefined {
    return this.#values.get(tag)?.toString('latin1');
  }
}

/**
 * The entry of the common case, in which it carries the tags that were asked for, in their order, and none was bumped.
 *
 * @param values of the key, and then of the tags
 */
export function openUnchanged(
  query: StoreQuery,
  epoch: string,
  tags: readonly string[],
  values: readonly (Buffer | null)[],
): Entry | undefined {
  const decoded = decodeOf(values[0], epoch);
  if (decoded?.stamp.tags.length !== tags.length) return undefined;
  const { stamp, generations } = decoded;
  for (let i = 0; i < tags.length; i++) {
    if (stamp.tags[i] !== tags[i] || values[i + 1]?.toString('latin1') !== generations[i]) return undefined;
  }
  return open(decoded, query);
}

function decodeOf(bytes: Buffer | null | undefined, epoch: string): DecodedEntry | undefined {
  const decoded = bytes == null ? undefined : decodeEntry(bytes);
  return decoded?.stamp.epoch === epoch ? decoded : undefined;
}

/** Data that cannot be brought back, e.g. an instance of a class unknown here, is a miss. */
function open(decoded: DecodedEntry, query: StoreQuery): Entry | undefined {
  try {
    return decoded.open(query.values);
  } catch {
    return undefined;
  }
}
