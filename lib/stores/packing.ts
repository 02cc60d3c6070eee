import type { addExtension, Packr } from 'msgpackr';

/** Keeps Map, Set, Date, bigint, undefined, typed arrays, cycles and shared references; creates no instances of classes of the application. */
let packr: Packr | undefined;
let opening: Promise<void> | undefined;

/** True if {@link pack} and {@link unpack} may be called. */
export function isPackingOpen(): boolean {
  return packr !== undefined;
}

/**
 * Loads msgpackr, with its native add-on, which takes a fifth of the import of this package: only shared stores need it.
 * After a failure the next call tries again.
 */
export function openPacking(): Promise<void> {
  opening ??= load().catch((error: unknown) => {
    opening = undefined;
    throw error;
  });
  return opening;
}

async function load(): Promise<void> {
  const msgpackr = await import('msgpackr');
  keepTypedArrays(msgpackr.addExtension);
  packr = new msgpackr.Packr({ structuredClone: true, moreTypes: true, useRecords: true });
}

/** The first extension type that msgpackr does not use itself. */
const FIRST_TYPE = 0x21;

/** msgpackr recognises typed arrays by their base class. Test runners may run modules in a realm with other classes: it is told of those. */
function keepTypedArrays(add: typeof addExtension): void {
  if (new Float64Array() instanceof (Object.getPrototypeOf(Uint8Array) as Function)) return;
  const classes = [Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array];
  [...classes, Uint8ClampedArray, BigInt64Array, BigUint64Array].forEach((Class, i) =>
    add({
      Class,
      type: FIRST_TYPE + i,
      pack: ({ buffer, byteOffset, byteLength }: NodeJS.TypedArray) =>
        Buffer.from(buffer, byteOffset, byteLength),
      unpack: (bytes: Uint8Array) => new Class(Uint8Array.from(bytes).buffer),
    } as never),
  );
}

/** @throws Error before {@link openPacking} has ended */
export function pack(data: unknown): Buffer {
  return opened().pack(data);
}

/** @throws Error for bytes that {@link pack} did not make, and before {@link openPacking} has ended */
export function unpack(bytes: Buffer): unknown {
  return opened().unpack(bytes);
}

function opened(): Packr {
  if (packr === undefined) throw new Error('msgpackr is not loaded: await openPacking() first');
  return packr;
}
