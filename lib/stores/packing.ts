import { addExtension, Packr } from 'msgpackr';

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
