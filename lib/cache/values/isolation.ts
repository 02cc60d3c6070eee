import { CacheConfigurationError } from '../errors.js';
import { copySnapshot, freezeSnapshot } from './copy.js';
import type { KnownClasses } from './known-classes.js';
import { takeSnapshot, Unstorable, type Snapshot } from './snapshot.js';

/**
 * How callers are kept from changing what is cached: `clone` hands everyone a copy of their own; `freeze` hands all,
 * on misses too, one frozen copy (values that hold a Date, Map, Set or bytes are cloned); `none` hands out the stored
 * object itself, on stores in memory only.
 *
 * @publicApi
 */
export type Isolation = 'clone' | 'freeze' | 'none';

/** A stored form of a value and its estimated size in bytes. */
export interface PreparedValue {
  readonly stored: unknown;
  readonly size: number;
}

/** Turns what a load returned into what is stored, and what is stored into what a caller gets. */
export interface ValueHandling {
  prepare(value: unknown): PreparedValue | Unstorable;
  /** Must be cheap: it is on the hit path. */
  present(stored: unknown): unknown;
  /** What the caller gets whose load it was. */
  presentLoaded(value: unknown, prepared: PreparedValue | undefined): unknown;
}

/**
 * @param isolation see {@link Isolation}
 * @param classes whose instances may be stored
 */
export function isolateValues(isolation: Isolation, classes: KnownClasses): ValueHandling {
  const prepare = (value: unknown): PreparedValue | Unstorable => {
    const snapshot = takeSnapshot(value, classes);
    if (snapshot instanceof Unstorable) return snapshot;
    if (isolation === 'none') return { stored: value, size: snapshot.size };
    if (isolation === 'freeze' && snapshot.freezable) {
      freezeSnapshot(snapshot);
      return { stored: snapshot.value, size: snapshot.size };
    }
    return { stored: isObject(snapshot.value) ? new Copied(snapshot) : snapshot.value, size: snapshot.size };
  };
  const present = (stored: unknown): unknown =>
    stored instanceof Copied ? copySnapshot(stored.snapshot) : stored;
  return {
    prepare,
    present,
    presentLoaded: (value, prepared) =>
      isolation === 'freeze' && prepared !== undefined ? present(prepared.stored) : value,
  };
}

/** Marks a stored value that every reader gets a copy of. */
class Copied {
  constructor(readonly snapshot: Snapshot) {}
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** @throws CacheConfigurationError when the store cannot keep what `none` promises */
export function assertIsolation(isolation: unknown, keepsReferences: boolean, where: string): void {
  if (isolation !== 'clone' && isolation !== 'freeze' && isolation !== 'none') {
    throw new CacheConfigurationError(
      'CACHE_ISOLATION',
      `isolation of ${where} is ${String(isolation)}. Write 'clone' (the default), 'freeze' or 'none'.`,
    );
  }
  if (isolation === 'none' && !keepsReferences) {
    throw new CacheConfigurationError(
      'CACHE_ISOLATION',
      `isolation of ${where} is 'none', but its store decodes a new object for every read. Write 'clone' or 'freeze', ` +
        `or give the method a memory store.`,
    );
  }
}
