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
  /** Time of the server that has the mark, and times of this process before it was asked and after it answered. */
  readonly times: readonly [server: number, sent: number, received: number];
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

const TIME_SCRIPT = `
local time = redis.call('TIME')
return { 0, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }`;

/**
 * Reads the history of Redis.
 *
 * @param grace milliseconds for which a process may not know of a new master; `false` where there are no failovers
 * @param clock of this process
 * @throws DemotedError where a server is not a master: generations are read from masters only
 */
export async function readHistory(
  executor: RedisExecutor,
  grace: number | false,
  clock: () => number,
): Promise<RedisHistory> {
  const run = async (...script: [text: string, key: string, ...args: (string | number)[]]) => {
    const sent = clock();
    const [text, ...args] = script;
    const [reply] = (await executor.runAll([['eval', text, 1, ...args]])) as [[mark: string, now: string]];
    return { mark: reply[0], times: [Number(reply[1]), sent, clock()] as const };
  };
  if (grace === false) return { ...STEADY, times: (await run(TIME_SCRIPT, MARK_KEY)).times };
  const masters = executor.masters();
  if (masters.length === 0) throw new Error('no Redis master is known');
  const ids = await Promise.all(masters.map(replicationId));
  const id = ids.sort().join('+');
  const { mark, times } = await run(MARK_SCRIPT, MARK_KEY + id, newHalf(), MARK_LIFE_MS);
  const left = Number.parseInt(mark, 10) + grace - times[0];
  const isOver = left <= 0;
  return { id, epoch: `${mark}.${isOver ? 1 : 0}`, turnsIn: isOver ? undefined : left, times };
}

async function replicationId(node: RedisNode): Promise<string> {
  const info = await node.info('replication');
  const role = /^role:(\w+)/m.exec(info)?.[1];
  const id = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (role !== 'master' || id === undefined)
    throw new DemotedError(`a Redis server has the role ${role ?? 'unknown'}, not master`);
  return id;
}
