import { CacheConfigurationError } from '../../common/errors.js';
import type { ValueCodec, Wire } from '../../stores/store.interface.js';
import { copySnapshot, freezeSnapshot } from './copy.js';
import { detach } from './detach.js';
import { type Snapshot, takeSnapshot, Unstorable } from './snapshot.js';
import type { KnownClasses } from './classes.js';
import { fromPlain, toPlain } from './wire.js';

/**
 * How cached values are protected from changes by callers: `clone` returns a new copy to every caller; `freeze` returns one frozen
 * copy to all, on misses too (values that hold a Date, Map, Set or bytes are cloned); `none` returns the stored object itself, on
 * stores in memory only.
 *
 * @publicApi
 */
export type Isolation = 'clone' | 'freeze' | 'none';

/** A stored form of a value and its estimated size in bytes. */
export interface PreparedValue {
  readonly stored: unknown;
  readonly size: number;
}

/** Converts loaded values to their stored form, and stored ones to values for callers and to bytes. */
export interface ValueHandling extends ValueCodec {
  prepare(value: unknown): PreparedValue | Unstorable;
  /** The value for a caller. On the hit path, so it must be cheap. */
  present(stored: unknown): unknown;
  /** The value for the caller that loaded it. */
  presentLoaded(value: unknown, prepared: PreparedValue | undefined): unknown;
  /** The parts of a stored value that two loads of the same data have in common. Default: what `encode` makes of it. */
  compared?(stored: unknown): unknown;
}

/** The stored form of a value: a snapshot, and whether every caller gets a copy of it. */
class StoredValue {
  /** The value of the snapshot, here to save a hit one property access. */
  readonly value: unknown;

  constructor(
    readonly snapshot: Snapshot,
    readonly copied: boolean,
  ) {
    this.value = snapshot.value;
  }
}

/** Bits of {@link Wire.flags}. */
const EXOTIC = 1;
const GRAPH = 2;
const UNFREEZABLE = 4;

/** Copying a larger value would block the event loop for too long. */
const MAX_VALUE_BYTES = 4 * 1024 * 1024;

/**
 * @param classes classes whose instances may be stored
 * @param maxBytes larger values are not stored
 */
export function isolateValues(
  isolation: Isolation,
  classes: KnownClasses,
  maxBytes = MAX_VALUE_BYTES,
): ValueHandling {
  const keep = (snapshot: Snapshot): StoredValue => {
    const frozen = isolation === 'freeze' && snapshot.freezable;
    if (frozen) freezeSnapshot(snapshot);
    return new StoredValue(snapshot, !frozen && isolation !== 'none' && isObject(snapshot.value));
  };
  const present = (stored: unknown): unknown => {
    const own = stored as StoredValue;
    return own.copied ? copySnapshot(own.snapshot) : own.value;
  };
  return {
    prepare(value) {
      const snapshot = takeSnapshot(value, classes, maxBytes);
      if (snapshot instanceof Unstorable) return snapshot;
      return { stored: keep(isolation === 'none' ? { ...snapshot, value } : snapshot), size: snapshot.size };
    },
    present,
    presentLoaded: (value, prepared) =>
      isolation === 'freeze' && prepared !== undefined ? present(prepared.stored) : value,
    encode: (stored) => encodeSnapshot((stored as StoredValue).snapshot, classes),
    decode(wire, kept) {
      // Decoded texts and bytes may be parts of what came from the network.
      const snapshot = decodeSnapshot(kept ? { ...wire, data: detach(wire.data) } : wire, classes);
      // A value that no store keeps has one reader, who may change it.
      return kept || isolation === 'freeze' ? keep(snapshot) : new StoredValue(snapshot, false);
    },
  };
}

function encodeSnapshot({ value, exotic, tree, freezable, size }: Snapshot, classes: KnownClasses): Wire {
  const flags = (exotic ? EXOTIC : 0) | (tree ? 0 : GRAPH) | (freezable ? 0 : UNFREEZABLE);
  return { data: exotic ? toPlain(value, classes) : value, flags, size };
}

function decodeSnapshot({ data, flags, size }: Wire, classes: KnownClasses): Snapshot {
  const exotic = (flags & EXOTIC) !== 0;
  return {
    value: exotic ? fromPlain(data, classes) : data,
    size,
    tree: (flags & GRAPH) === 0,
    freezable: (flags & UNFREEZABLE) === 0,
    exotic,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** @throws CacheConfigurationError for `none` on a store that does not keep references */
export function assertIsolation(isolation: Isolation, keepsReferences: boolean, where: string): void {
  if (isolation === 'none' && !keepsReferences) {
    throw new CacheConfigurationError(
      'CACHE_ISOLATION',
      `isolation of ${where} is 'none', but its store decodes a new object for every read. Write 'clone' or 'freeze', ` +
        `or give the method a memory store.`,
    );
  }
}
