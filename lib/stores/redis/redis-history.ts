import { newHalf } from '../shared-generations.js';
import type { RedisNode } from './redis-client.interface.js';
import type { RedisExecutor } from './redis-commands.js';
import { DemotedError } from './redis-failure.js';

/** A history of Redis, as one process sees it now. */
export interface RedisHistory {
  /** The replication ids of the masters. A restart, a promoted replica and a failback each begin a new history. */
  readonly id: string;
  /** Stands in every stamp: the history, its first sight, and whether its grace is over. */
  readonly epoch: string;
  /** Milliseconds until the grace of the history is over; `undefined` where it is. */
  readonly turnsIn: number | undefined;
}

const MARK_KEY = 'restflow:history:';

/** The mark of a history that is in use is extended. Milliseconds. */
const MARK_LIFE_MS = 30 * 86_400_000;

/**
 * Records when the history was first seen, by the clock of its master. The mark is random: one that was evicted and is written again begins
 * a new epoch, so that no entry from before comes back. Extending its life may fail where Redis is full; that is tried again.
 */
const MARK_SCRIPT = `
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local mark = redis.call('GET', KEYS[1])
if not mark then
  mark = now .. '.' .. ARGV[1]
  redis.call('SET', KEYS[1], mark, 'PX', ARGV[2])
elseif redis.call('PTTL', KEYS[1]) < ARGV[2] / 2 then
  redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
end
return { mark, now }`;

/** Of a Redis without failovers: it needs neither INFO nor a mark. */
const STEADY = { id: 'steady', epoch: 'steady', turnsIn: undefined } as const;

/**
 * Reads the history of Redis.
 *
 * @param grace milliseconds for which a process may not know of a new master; `false` where there are no failovers
 * @throws DemotedError where a server is not a master: generations are read from masters only
 */
export async function readHistory(executor: RedisExecutor, grace: number | false): Promise<RedisHistory> {
  if (grace === false) {
    await executor.readMany([MARK_KEY]);
    return STEADY;
  }
  const masters = executor.masters();
  if (masters.length === 0) throw new Error('no Redis master is known');
  const ids = await Promise.all(masters.map(replicationId));
  const id = ids.sort().join('+');
  const command = ['eval', MARK_SCRIPT, 1, MARK_KEY + id, newHalf(), MARK_LIFE_MS] as const;
  const [reply] = (await executor.runAll([command])) as [[mark: string, now: string]];
  const [mark, now] = reply;
  const left = Number.parseInt(mark, 10) + grace - Number(now);
  const isOver = left <= 0;
  return { id, epoch: `${mark}.${isOver ? 1 : 0}`, turnsIn: isOver ? undefined : left };
}

async function replicationId(node: RedisNode): Promise<string> {
  const info = await node.info('replication');
  const role = /^role:(\w+)/m.exec(info)?.[1];
  const id = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (role !== 'master' || id === undefined)
    throw new DemotedError(`a Redis server has the role ${role ?? 'unknown'}, not master`);
  return id;
}
