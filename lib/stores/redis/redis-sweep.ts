import { Deadlines } from '../deadlines.js';
import { StoreTimeoutError, type StoreHost } from '../store.interface.js';
import type { RedisNode } from './redis-client.interface.js';

const BATCH = 500;

/** How long one batch may take. Milliseconds. */
const BATCH_MS = 5_000;

/**
 * Unlinks keys that begin with a prefix and that `drop` says to, in batches. Only `clear()` and
 * `deletePreviousVersions()` scan; what they removed was unreachable before.
 * @throws StoreTimeoutError when a batch takes too long
 */
export async function sweepKeys(
  nodes: readonly RedisNode[],
  keyPrefix: string,
  prefix: string,
  drop: (key: string) => boolean,
  host: StoreHost,
): Promise<void> {
  const deadlines = new Deadlines(BATCH_MS, () => new StoreTimeoutError('redis', BATCH_MS));
  const pattern = `${escapeGlob(keyPrefix + prefix)}*`;
  for (const node of nodes) {
    let cursor = '0';
    do {
      const [next, found] = await deadlines.within(host, node.scan(cursor, 'MATCH', pattern, 'COUNT', BATCH));
      cursor = next;
      const keys = found.filter((key) => drop(key.slice(keyPrefix.length)));
      // The nodes of a Cluster do not put the prefix before keys themselves. One key a command: a node holds many slots.
      const known = node.options.keyPrefix?.length ?? 0;
      await deadlines.within(host, Promise.all(keys.map((key) => node.unlink(key.slice(known)))));
    } while (cursor !== '0');
  }
}

/** A glob character in a namespace stands for itself. */
function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&');
}
