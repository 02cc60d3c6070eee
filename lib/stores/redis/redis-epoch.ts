import type { RedisNode } from './redis-client.interface.js';
import type { RedisExecutor } from './redis-commands.js';

/**
 * Reads which history of Redis we are in: the replication ids of its masters. A restart from an old dump, a promoted
 * replica and a failback each begin a new one, and end the life of every entry before it.
 *
 * @throws Error when a server is no master: generations are read from masters only
 */
export async function readEpoch(executor: RedisExecutor): Promise<string> {
  const masters = executor.masters();
  if (masters.length === 0) throw new Error('no Redis master is known');
  const ids = await Promise.all(masters.map(replicationId));
  return ids.sort().join('+');
}

async function replicationId(node: RedisNode): Promise<string> {
  const info = await node.info('replication');
  const role = /^role:(\w+)/m.exec(info)?.[1];
  const id = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (role !== 'master' || id === undefined)
    throw new Error(`a Redis server is ${role ?? 'of no role'}, not a master`);
  return id;
}
