import { Packr } from 'msgpackr';

/** Keeps Map, Set, Date, bigint, undefined, typed arrays, cycles and shared references; makes no classes of ours. */
const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });

export function pack(data: unknown): Buffer {
  return packr.pack(data);
}

/** @throws Error for bytes that {@link pack} did not make */
export function unpack(bytes: Buffer): unknown {
  return packr.unpack(bytes);
}
