import { FLOOR_MS, newGeneration } from '../shared-generations.js';
import type { BumpPosition } from '../store.interface.js';
import type { RedisCommand, RedisExecutor } from './redis-commands.js';

/** Bumps that the log holds. */
const MAX_BUMPS = 2_000;
/** Bumps that are read first: a load seldom overlaps with more. */
const RECENT = 64;

/**
 * The log of bumps of one namespace in Redis: a list. It exists while loads that may learn tags begin, and for as long afterwards as such a
 * load may run. Each record begins with a random text, so that no record of another log equals it.
 */
export class RedisBumpLog {
  /** @param tag one of the namespace */
  constructor(
    private readonly executor: RedisExecutor,
    private readonly tag: string,
  ) {}

  /** Its last record. The first reader creates the log. */
  async position(): Promise<string> {
    const log = logOf(this.tag);
    const [last] = await this.executor.runAll([
      ['lindex', log, -1],
      ['pexpire', log, FLOOR_MS],
    ]);
    if (typeof last === 'string') return last;
    const first = record([]);
    await this.executor.runAll([
      ['rpush', log, first],
      ['pexpire', log, FLOOR_MS],
    ]);
    return first;
  }

  /** True if one of the tags was bumped after the position, or the log does not hold the position any more. */
  async isBumpedSince(position: BumpPosition, tags: readonly string[]): Promise<boolean> {
    const wanted = new Set(tags);
    for (const count of [RECENT, MAX_BUMPS]) {
      const [records] = await this.executor.runAll([['lrange', logOf(this.tag), -count, -1]]);
      const at = (records as string[]).lastIndexOf(position as string);
      if (at < 0) continue;
      return (records as string[]).slice(at + 1).some((one) => tagsOf(one).some((tag) => wanted.has(tag)));
    }
    return true;
  }
}

/** Commands that append a bump, where a log exists. They must have their effect before the generations are renewed. */
export function appendBump(tags: readonly string[]): RedisCommand[] {
  const byLog = new Map<string, string[]>();
  for (const tag of tags) byLog.set(logOf(tag), [...(byLog.get(logOf(tag)) ?? []), tag]);
  return [...byLog].flatMap(([log, bumped]): RedisCommand[] => [
    ['rpushx', log, record(bumped)],
    ['ltrim', log, -MAX_BUMPS, -1],
  ]);
}

function record(tags: readonly string[]): string {
  return `${newGeneration()} ${JSON.stringify(tags)}`;
}

function tagsOf(written: string): readonly string[] {
  return JSON.parse(written.slice(written.indexOf(' '))) as string[];
}

const TAGS = ':g:';

/** Its name begins as the tags do, since an account may be limited to the names of its namespace. */
function logOf(tag: string): string {
  const at = tag.indexOf(TAGS);
  return `${at < 0 ? 'restflow' : tag.slice(0, at)}:bumps`;
}
