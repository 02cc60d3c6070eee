import { EncodedValue, PLAIN } from './encoded-value.js';
import { pack, unpack } from './packing.js';
import { type Generation, Stamp } from './stamp.js';
import { Entry, type ValueCodec, type Wire } from './store.interface.js';

/** Raise it when the layout changes: entries of another version are misses. */
const VERSION = 3;

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
  /** Milliseconds that the store's clock was ahead of the one of the process that stored the entry. The times above are by the store's. */
  ahead: number,
];

/**
 * An entry in bytes: the version, the id of the compression, a packed head that holds the value's data, and then raw bytes (a response
 * body, or the whole of a compressed value).
 *
 * @param ahead milliseconds that the clock of the store is ahead of that of this process
 */
export function encodeEntry(entry: Entry, codec: ValueCodec, ahead = 0): Buffer {
  const { algorithm, wire } =
    entry.value instanceof EncodedValue ? entry.value : { algorithm: PLAIN, wire: codec.encode(entry.value) };
  const { data, flags, size, bytes } = wire;
  const { epoch, tags, generations } = entry.stamp;
  const head: Head = [
    entry.cachedAt + ahead,
    entry.freshUntil + ahead,
    entry.keepUntil + ahead,
    entry.size,
    epoch,
    tags,
    generations.map(joinGeneration),
    flags,
    size,
    data,
    ahead,
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

/** An entry whose value is not decoded yet. */
export interface DecodedEntry {
  /**
   * Decodes the value; a compressed one stays an {@link EncodedValue}.
   * @param ahead milliseconds that the clock of the store is ahead of that of this process
   */
  open(codec: ValueCodec, ahead?: number): Entry;
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
  const [cachedAt, freshUntil, keepUntil, size, epoch, tags, generations, flags, valueSize, data, ahead] =
    head;
  const isEntry =
    isTime(cachedAt) &&
    isEndTime(freshUntil) &&
    isEndTime(keepUntil) &&
    isSize(size) &&
    (valueSize === 0 || isSize(valueSize)) &&
    Number.isSafeInteger(flags) &&
    isTime(ahead) &&
    typeof epoch === 'string' &&
    isTextList(tags) &&
    isTextList(generations) &&
    tags.length === generations.length;
  if (!isEntry) throw new TypeError('not an entry');
  const stamp = new Stamp(epoch, tags, generations.map(splitGeneration));
  return {
    stamp,
    generations,
    open(codec, here = 0) {
      const wire: Wire = { data, flags, size: valueSize, bytes };
      const value = algorithm === PLAIN ? codec.decode(wire, false) : new EncodedValue(algorithm, wire);
      const entry = new Entry(value, cachedAt - here, freshUntil - here, keepUntil - here, stamp, size);
      entry.shift = ahead - here;
      return entry;
    },
  };
}

/** Others may write into a shared store, and a Date of any other number throws. Milliseconds since the epoch. */
const LAST_TIME = 8.64e15;

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= LAST_TIME;
}

/** May be `Infinity`. */
function isEndTime(value: unknown): boolean {
  return typeof value === 'number' && value >= -LAST_TIME;
}

/** A store in memory takes no other sizes. */
function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** A generation as one text, as a shared store holds it under a tag. */
export function joinGeneration({ hard, soft }: Generation): string {
  return `${hard}.${soft}`;
}

/** @throws TypeError for other texts: the generation counts as missing */
export function splitGeneration(text: string): Generation {
  const at = text.indexOf('.');
  if (at <= 0) throw new TypeError('not a generation');
  return { hard: text.slice(0, at), soft: text.slice(at + 1) };
}
