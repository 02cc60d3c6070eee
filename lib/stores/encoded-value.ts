import { compress, inflate, MAX_RAW_BYTES, type Compression } from './compression.js';
import { pack, unpack } from './packing.js';
import type { ValueCodec, Wire } from './store.interface.js';

/** Stands in an entry in place of an algorithm. */
export const PLAIN = 0;

/** What an entry holds in place of its value while that is in the form it travels in. */
export class EncodedValue {
  constructor(
    /** {@link PLAIN}, or how it is compressed: packed data and bytes are one then, and `data` tells their lengths. */
    readonly algorithm: number,
    readonly wire: Wire,
  ) {}
}

type Lengths = readonly [dataBytes: number, rawBytes: number];

/** Compresses a value where that is worth it. Never rejects: as it is it can be stored all the same. */
export async function compressValue(
  wire: Wire,
  { algorithm, threshold }: Compression,
): Promise<EncodedValue> {
  const plain = new EncodedValue(PLAIN, wire);
  const { data, flags, size, bytes, isDense = false } = wire;
  if (isDense) return plain;
  try {
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
 * Brings back a value that was compressed.
 * @throws anything, when it is not what {@link compressValue} made
 */
export async function openValue({ algorithm, wire }: EncodedValue, codec: ValueCodec): Promise<unknown> {
  const { data, flags, size, bytes } = wire;
  const [dataBytes, rawBytes] = data as Lengths;
  const raw = await inflate(algorithm, bytes!, rawBytes);
  if (raw.length !== rawBytes) throw new TypeError('not all of it is there');
  const unpacked = unpack(raw.subarray(0, dataBytes));
  return codec.decode({ data: unpacked, flags, size, bytes: raw.subarray(dataBytes) }, false);
}
