import { compress, type Compression, inflate, MAX_RAW_BYTES } from './compression.js';
import { isPackingOpen, openPacking, pack, unpack } from './packing.js';
import type { Stamp } from './stamp.js';
import { Entry, type StoreQuery, type ValueCodec, type Wire } from './store.interface.js';

/** Marks an entry without compression, instead of the id of a compression algorithm. */
export const PLAIN = 0;

/** Takes the place of an entry's value between encoding and decoding. */
export class EncodedValue {
  constructor(
    /** {@link PLAIN}, or the id of the compression: then packed data and bytes are one, and `data` holds their lengths. */
    readonly algorithm: number,
    readonly wire: Wire,
  ) {}
}

/** An entry whose value is still compressed. */
export function isEncoded(reading: Entry | Stamp): reading is Entry {
  return reading instanceof Entry && reading.value instanceof EncodedValue;
}

/**
 * Encodes the values of a shared store, and compresses large ones in other threads. Compressed values are read with or without
 * the option.
 */
export class ValueEncoding {
  /** The entry that is being compressed for a key; one that is set meanwhile is newer and takes its place. */
  readonly #compressing = new Map<string, Entry>();

  constructor(private readonly compression?: Compression) {}

  /** Loads what encoding needs. */
  async open(): Promise<void> {
    if (!isPackingOpen()) await openPacking();
  }

  get isOpen(): boolean {
    return isPackingOpen();
  }

  /**
   * @returns the entry as a store takes it; `undefined` where a newer one was set under its key while this one was compressed
   * @throws anything, for a value that has no encoding
   */
  async encode(query: StoreQuery, entry: Entry): Promise<Entry | undefined> {
    const { compression } = this;
    const wire = query.values.encode(entry.value);
    // A value is larger in memory than packed.
    if (compression === undefined || entry.size < compression.threshold) {
      this.#compressing.delete(query.key);
      if (!isPackingOpen()) await openPacking();
      return entry.with(new EncodedValue(PLAIN, wire));
    }
    this.#compressing.set(query.key, entry);
    const value = await compressValue(wire, compression);
    if (this.#compressing.get(query.key) !== entry) return undefined;
    this.#compressing.delete(query.key);
    return entry.with(value);
  }

  /** @throws anything, for a value that cannot be restored */
  async decode({ values }: StoreQuery, entry: Entry): Promise<Entry> {
    return entry.with(await openValue(entry.value as EncodedValue, values));
  }
}

type Lengths = readonly [dataBytes: number, rawBytes: number];

/** Compresses a value where that makes it smaller. Never rejects: uncompressed it can be stored all the same. */
export async function compressValue(
  wire: Wire,
  { algorithm, threshold }: Compression,
): Promise<EncodedValue> {
  const plain = new EncodedValue(PLAIN, wire);
  const { data, flags, size, bytes, isDense = false } = wire;
  if (isDense) return plain;
  try {
    await openPacking();
    const packed = pack(data);
    const raw = bytes === undefined ? packed : Buffer.concat([packed, bytes]);
    if (raw.length < threshold || raw.length > MAX_RAW_BYTES) return plain;
    const compressed = await compress(raw, algorithm);
    if (compressed.bytes.length >= raw.length) return plain;
    const lengths: Lengths = [packed.length, raw.length];
    return new EncodedValue(compressed.id, { data: lengths, flags, size, bytes: compressed.bytes });
  } catch {
    return plain;
  }
}

/**
 * Restores a compressed value.
 * @throws anything, for what {@link compressValue} did not make
 */
export async function openValue({ algorithm, wire }: EncodedValue, codec: ValueCodec): Promise<unknown> {
  const { data, flags, size, bytes } = wire;
  const [dataBytes, rawBytes] = data as Lengths;
  const raw = await inflate(algorithm, bytes!, rawBytes);
  if (raw.length !== rawBytes) throw new TypeError('the compressed value is incomplete');
  const unpacked = unpack(raw.subarray(0, dataBytes));
  return codec.decode({ data: unpacked, flags, size, bytes: raw.subarray(dataBytes) }, false);
}
