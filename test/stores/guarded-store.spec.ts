import { stat } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { GuardedStore, guardStore } from '../../lib/stores/guarded-store.js';
import { memoryStore } from '../../lib/stores/memory-store.js';
import { agreesOnLoads, type CacheStore, hasLeases } from '../../lib/stores/store.interface.js';

const TIMEOUT_MS = 1_000;

it('a guarded store uses an answer that arrived while the process was busy', async () => {
  const inner = memoryStore();
  // Like an answer on a socket, it is delivered when the event loop polls.
  const answer = (): Promise<'current'> => new Promise((resolve) => stat('.', () => resolve('current')));
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

describe('a guarded store has an optional member exactly if the inner store has it:', () => {
  const OPTIONAL = ['getMany', 'getShared', 'touch', 'acquire', 'openBus'] as const;
  const required: CacheStore = {
    kind: 'own',
    keepsReferences: false,
    get: () => undefined as never,
    stamp: () => undefined as never,
    judge: () => 'purged',
    set: () => undefined,
    bump: () => undefined,
    sweep: () => undefined,
  };

  it.each(OPTIONAL)('%s', (name) => {
    const guard = new GuardedStore({ ...required, [name]: () => undefined } as CacheStore, { timeout: 100 });
    expect(OPTIONAL.filter((member) => guard[member] !== undefined)).toEqual([name]);
    expect(hasLeases(guard)).toBe(name === 'acquire');
  });

  it('none', () => {
    const guard = new GuardedStore(required, { timeout: 100 });
    expect(OPTIONAL.filter((member) => guard[member] !== undefined)).toEqual([]);
  });

  it.each([true, false, undefined])('grantsAll: %s', (grantsAll) => {
    const leasing = { ...required, acquire: () => Promise.resolve(undefined), grantsAll };
    expect(agreesOnLoads(new GuardedStore(leasing, { timeout: 100 }))).toBe(grantsAll !== true);
  });
});
