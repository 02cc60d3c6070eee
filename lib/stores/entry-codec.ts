import { EncodedValue, PLAIN } from './encoded-value.js';
import { Entry, type ValueCodec, type Wire } from './store.interface.js';
import { pack, unpack } from './packing.js';
import { Stamp, type Generation } from './stamp.js';

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
