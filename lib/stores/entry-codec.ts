import { Packr } from 'msgpackr';
import { Entry } from './entry.js';
import { Stamp, type Generation } from './stamp.js';
import type { ValueCodec } from './store.interface.js';

/** Raise it when the layout changes: entries of another version are misses. */
const VERSION = 1;

/** Version, length of the packed head. */
const PREFIX_BYTES = 5;

/** Keeps Map, Set, Date, bigint, undefined, typed arrays, cycles and shared references; makes no classes of ours. */
const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });

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

/** An entry in bytes: a version, a packed head with the value's data, and then bytes as they are (response bodies). */
export function encodeEntry(entry: Entry, codec: ValueCodec): Buffer {
  const { data, flags, size, bytes } = codec.encode(entry.value);
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
  const packed = packr.pack(head);
  const buffer = Buffer.allocUnsafe(PREFIX_BYTES + packed.length + (bytes?.length ?? 0));
  buffer[0] = VERSION;
  buffer.writeUInt32BE(packed.length, 1);
  packed.copy(buffer, PREFIX_BYTES);
  bytes?.copy(buffer, PREFIX_BYTES + packed.length);
  return buffer;
}

/** An entry whose value is still in the form it travels in. */
export interface DecodedEntry {
  /** Makes the entry; `kept` as for {@link ValueCodec.decode}. */
  open(codec: ValueCodec, kept: boolean): Entry;
  readonly stamp: Stamp;
  /** The stamp's generations, as a shared store holds them. */
  readonly generations: readonly string[];
}

/** @returns `undefined` for garbage, and for entries of another version: both are misses */
export function decodeEntry(buffer: Buffer): DecodedEntry | undefined {
  if (buffer.length < PREFIX_BYTES || buffer[0] !== VERSION) return undefined;
  const end = PREFIX_BYTES + buffer.readUInt32BE(1);
  if (end > buffer.length) return undefined;
  try {
    const head = packr.unpack(buffer.subarray(PREFIX_BYTES, end)) as Head;
    return openHead(head, buffer.subarray(end));
  } catch {
    return undefined;
  }
}

function openHead(head: Head, bytes: Buffer): DecodedEntry {
  const [cachedAt, freshUntil, keepUntil, size, epoch, tags, generations, flags, valueSize, data] = head;
  if (tags.length !== generations.length || ![cachedAt, freshUntil, keepUntil, size].every(isNumber))
    throw new TypeError('no entry');
  const stamp = new Stamp(epoch, tags, generations.map(splitGeneration));
  return {
    stamp,
    generations,
    open: (codec, kept) =>
      new Entry(
        codec.decode({ data, flags, size: valueSize, bytes }, kept),
        cachedAt,
        freshUntil,
        keepUntil,
        stamp,
        size,
      ),
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
