import { addExtension, Packr } from 'msgpackr';
import { compress, type Compression, inflate, MAX_RAW_BYTES } from './compression.js';
import { type Generation, Stamp } from './stamp.js';
import { Entry, type ValueCodec, type Wire } from './store.interface.js';

/** Keeps Map, Set, Date, bigint, undefined, typed arrays, cycles and shared references; makes no classes of ours. */
const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });

/** Types that nothing else has. */
const FIRST_TYPE = 0x21;

/** The packr knows typed arrays by their base class. A test runner may give modules a scope with others: those are named to it. */
if (!(new Float64Array() instanceof (Object.getPrototypeOf(Uint8Array) as Function))) {
  const classes = [Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array];
  [...classes, Uint8ClampedArray, BigInt64Array, BigUint64Array].forEach((Class, i) =>
    addExtension({
      Class,
      type: FIRST_TYPE + i,
      pack: ({ buffer, byteOffset, byteLength }: NodeJS.TypedArray) =>
        Buffer.from(buffer, byteOffset, byteLength),
      unpack: (bytes: Uint8Array) => new Class(Uint8Array.from(bytes).buffer),
    } as never),
  );
}

export function pack(data: unknown): Buffer {
  return packr.pack(data);
}

/** @throws Error for bytes that {@link pack} did not make */
export function unpack(bytes: Buffer): unknown {
  return packr.unpack(bytes);
}

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

/** Raise it when the layout changes: entries of another version are misses. */
const VERSION = 2;

/** Version, algorithm of the compression, length of the packed head. */
const PREFIX_BYTES = 6;

type Head = readonly [
  cachedAt: number,
  freshUntil: number,
  keepUntil: number,
  size: number,
  epoch: string,
  tags: readonly string[],
  generations: readonly string[],
  flags: number,
  valueSize: number,
  data: unknown,
];

/**
 * An entry in bytes: a version, whether it is compressed, a packed head with the value's data, and then bytes as they are
 * (response bodies, and all of a value that is compressed).
 */
export function encodeEntry(entry: Entry, codec: ValueCodec): Buffer {
  const { algorithm, wire } =
    entry.value instanceof EncodedValue ? entry.value : { algorithm: PLAIN, wire: codec.encode(entry.value) };
  const { data, flags, size, bytes } = wire;
  const { epoch, tags, generations } = entry.stamp;
  const head: Head = [
    entry.cachedAt,
    entry.freshUntil,
    entry.keepUntil,
    entry.size,
    epoch,
    tags,
    generations.map(joinGeneration),
    flags,
    size,
    data,
  ];
  const packed = pack(head);
  const buffer = Buffer.allocUnsafe(PREFIX_BYTES + packed.length + (bytes?.length ?? 0));
  buffer[0] = VERSION;
  buffer[1] = algorithm;
  buffer.writeUInt32BE(packed.length, 2);
  packed.copy(buffer, PREFIX_BYTES);
  bytes?.copy(buffer, PREFIX_BYTES + packed.length);
  return buffer;
}

/** An entry whose value is still in the form it travels in. */
export interface DecodedEntry {
  /** Makes the entry; a value that is compressed stays an {@link EncodedValue}. */
  open(codec: ValueCodec): Entry;
  readonly stamp: Stamp;
  /** The stamp's generations, as a shared store holds them. */
  readonly generations: readonly string[];
}

/** @returns `undefined` for garbage, and for entries of another version: both are misses */
export function decodeEntry(buffer: Buffer): DecodedEntry | undefined {
  if (buffer.length < PREFIX_BYTES || buffer[0] !== VERSION) return undefined;
  const end = PREFIX_BYTES + buffer.readUInt32BE(2);
  if (end > buffer.length) return undefined;
  try {
    const head = unpack(buffer.subarray(PREFIX_BYTES, end)) as Head;
    return openHead(head, buffer[1]!, buffer.subarray(end));
  } catch {
    return undefined;
  }
}

function openHead(head: Head, algorithm: number, bytes: Buffer): DecodedEntry {
  const [cachedAt, freshUntil, keepUntil, size, epoch, tags, generations, flags, valueSize, data] = head;
  if (tags.length !== generations.length || ![cachedAt, freshUntil, keepUntil, size].every(isNumber))
    throw new TypeError('no entry');
  const stamp = new Stamp(epoch, tags, generations.map(splitGeneration));
  return {
    stamp,
    generations,
    open(codec) {
      const wire: Wire = { data, flags, size: valueSize, bytes };
      const value = algorithm === PLAIN ? codec.decode(wire, false) : new EncodedValue(algorithm, wire);
      return new Entry(value, cachedAt, freshUntil, keepUntil, stamp, size);
    },
  };
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

/** A generation as one text: what a shared store holds under a tag. */
export function joinGeneration({ hard, soft }: Generation): string {
  return `${hard}.${soft}`;
}

/** @throws TypeError for a text that is no generation: an unreadable one is missing */
export function splitGeneration(text: string): Generation {
  const at = text.indexOf('.');
  if (at <= 0) throw new TypeError('no generation');
  return { hard: text.slice(0, at), soft: text.slice(at + 1) };
}
