import { ok } from 'node:assert';
import { type CacheStore, Entry, type StoreQuery, type ValueCodec } from '../stores/store.interface.js';
import { Stamp } from '../stores/stamp.js';

/** Hands values through as they are: what is kept by a store must come back equal. */
const PLAIN: ValueCodec = {
  encode: (stored) =>
    Buffer.isBuffer(stored)
      ? { data: null, flags: 1, size: 1, bytes: stored }
      : { data: stored, flags: 0, size: 1 },
  decode: ({ data, flags, bytes }) => (flags === 1 ? bytes : data),
};

let counter = 0;

/** Names that no other case uses, with characters that stores trip over. */
export function fresh(): { key: string; tags: string[] } {
  const id = `conf-${process.pid}-${Date.now()}-${++counter}`;
  return { key: `${id}:e:*[a]{b}'ü\u2028`, tags: [`${id}:g:all`, `${id}:g:m:{x}`, `${id}:g:p:*?[y]'é`] };
}

export function query(key: string, tags: readonly string[]): StoreQuery {
  return { key, values: PLAIN, tags: () => tags };
}

export function entry(value: unknown, stamp: Stamp, now = Date.now()): Entry {
  return new Entry(value, now, now + 60_000, now + 60_000, stamp, 500);
}

export async function stampOf(store: CacheStore, at: StoreQuery): Promise<Stamp> {
  const reading = await store.get(at);
  ok(reading instanceof Stamp, 'an absent entry is answered with a stamp');
  return reading;
}

export async function valueOf(store: CacheStore, at: StoreQuery): Promise<unknown> {
  const reading = await store.get(at);
  ok(reading instanceof Entry, 'the entry is there');
  return reading.value;
}

export async function isMissing(store: CacheStore, at: StoreQuery): Promise<void> {
  ok((await store.get(at)) instanceof Stamp, 'the entry is gone');
}

export type Case = (store: CacheStore, names: { key: string; tags: string[] }) => Promise<void>;

/** One of two processes on one store. */
export type SharedCase = (
  store: CacheStore,
  peer: CacheStore,
  names: { key: string; tags: string[] },
) => Promise<void>;
