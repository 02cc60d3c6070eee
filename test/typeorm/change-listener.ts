import type { ChangeSourceHost, RowChange } from '../../lib/index.js';

/** Collects what a source tells. Deliveries may be held, as while the store is down. */
export function listener() {
  const told = {
    rows: [] as RowChange[],
    missed: 0,
    failures: [] as string[],
    held: undefined as Promise<void> | undefined,
  };
  const host: ChangeSourceHost = {
    changed: async (rows) => void told.rows.push(...rows),
    missed: async () => void told.missed++,
    delivered: () => told.held ?? Promise.resolve(),
    isShared: true,
    failed: (_topic, message, error) => void told.failures.push(`${message}: ${String(error)}`),
  };
  return { told, host };
}
