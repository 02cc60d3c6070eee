import type { CacheStore } from '../stores/store.interface.js';

const users = new WeakMap<CacheStore, number>();

/** Counts an application that begins to use a store: one that several share is closed by the last of them. */
export function takeStore(store: CacheStore): void {
  users.set(store, (users.get(store) ?? 0) + 1);
}

/** Counts it off, and closes what the store opened when nobody is left. */
export async function releaseStore(store: CacheStore): Promise<void> {
  const left = (users.get(store) ?? 1) - 1;
  users.set(store, left);
  if (left === 0) await store.close?.();
}
