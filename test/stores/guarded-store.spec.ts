import { expect, it } from '@jest/globals';
import { guardStore } from '../../lib/stores/guard-store.js';
import { memoryStore } from '../../lib/stores/memory-store.js';
import type { CacheStore } from '../../lib/stores/store.interface.js';

const TIMEOUT_MS = 1_000;

it('a guarded store uses an answer that arrived while the process was busy', async () => {
  const inner = memoryStore();
  const answer = (): Promise<'current'> =>
    new Promise((resolve) => setTimeout(() => setImmediate(resolve, 'current'), TIMEOUT_MS - 10));
  const store = guardStore({
    kind: 'slow',
    keepsReferences: true,
    get: (query) => inner.get(query),
    stamp: (tags) => inner.stamp(tags),
    set: (query, entry) => inner.set(query, entry),
    bump: (tags, mode) => inner.bump(tags, mode),
    sweep: (prefix, drop) => inner.sweep(prefix, drop),
    judge: answer,
  } satisfies CacheStore);
  const call = store.judge(await store.stamp(['tag']));
  const busyUntil = Date.now() + TIMEOUT_MS + 50;
  while (Date.now() < busyUntil);
  expect(await call).toBe('current');
});
