import { promisify } from 'node:util';
import type { BrotliOptions, ZlibOptions } from 'node:zlib';
import { checkOptions, isWholeFrom, type OptionTable, typeError } from '../common/options.js';
import type { MaybePromise } from './store.interface.js';

/**
 * Compression algorithms; `'zstd'` needs Node 22.15 or 23.8.
 *
 * @publicApi
 */
export type CompressionAlgorithm = 'gzip' | 'brotli' | 'zstd';

/**
 * Compression of stored values.
 *
 * @publicApi
 */
export interface CompressionOptions {
  /** Every Node has `'gzip'` and `'brotli'`; `'zstd'`, the fastest, needs Node 22.15 or 23.8. */
  algorithm: CompressionAlgorithm;
  /** Smaller values are stored uncompressed. Bytes of a packed value, or of a response and its body. Default 4,096. */
  threshold?: number | undefined;
}

/** {@link CompressionOptions} with their defaults. */
export interface Compression {
  readonly algorithm: CompressionAlgorithm;
  readonly threshold: number;
}

/** Larger values are stored uncompressed, and entries that claim to be larger are not inflated: this bounds the cost of a read. */
export const MAX_RAW_BYTES = 64 * 1024 * 1024;

/** Up to this size, inflating synchronously takes less time than handing the work to another thread. */
const INLINE_BYTES = 32 * 1024;

const DEFAULT_THRESHOLD = 4_096;

type Options = ZlibOptions & BrotliOptions;
type Transform<Result> = (input: Buffer, options: Options) => Result;

interface Algorithm {
  /** Identifies the algorithm in stored entries. */
  readonly id: number;
  readonly compress: Transform<Promise<Buffer>>;
  readonly inflate: Transform<Promise<Buffer>>;
  readonly inflateSync: Transform<Buffer>;
}

/** `Z_MIN_CHUNK` of zlib. Bytes. */
const MIN_CHUNK = 64;

/** Quality 11, the default, takes seconds for a megabyte. */
const BROTLI_QUALITY = 4;

let loaded: Readonly<Record<CompressionAlgorithm, Algorithm | undefined>> | undefined;

/** Loaded at first use: most applications compress nothing, and zlib adds to the time of every import (`npm run bench -- start`). */
function algorithms(): NonNullable<typeof loaded> {
  if (loaded !== undefined) return loaded;
  const zlib = process.getBuiltinModule('node:zlib');
  const brotli: Transform<Promise<Buffer>> = promisify(zlib.brotliCompress);
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
  loaded = {
    gzip: {
      id: 1,
      compress: promisify(zlib.gzip),
      inflate: promisify(zlib.gunzip),
      inflateSync: zlib.gunzipSync,
    },
    brotli: {
      id: 2,
      compress: (input, options) => brotli(input, { ...options, params }),
      inflate: promisify(zlib.brotliDecompress),
      inflateSync: zlib.brotliDecompressSync,
    },
    zstd: zstd(zlib),
  };
  return loaded;
}

/** The type declarations of the oldest supported Node lack it. Can go when Node 22.14 is no longer supported. */
function zstd(zlib: object): Algorithm | undefined {
  type Callback = (error: Error | null, result: Buffer) => void;
  type Asynchronous = (input: Buffer, options: Options, callback: Callback) => void;
  const { zstdCompress, zstdDecompress, zstdDecompressSync } = zlib as {
    zstdCompress?: Asynchronous;
    zstdDecompress?: Asynchronous;
    zstdDecompressSync?: Transform<Buffer>;
  };
  if (zstdCompress === undefined || zstdDecompress === undefined || zstdDecompressSync === undefined)
    return undefined;
  return {
    id: 3,
    compress: promisify(zstdCompress),
    inflate: promisify(zstdDecompress),
    inflateSync: zstdDecompressSync,
  };
}

const OPTIONS: OptionTable<CompressionOptions> = {
  rows: {
    algorithm: [
      (value) => typeof value === 'string' && Object.hasOwn(algorithms(), value),
      `'gzip', 'brotli' or 'zstd'`,
    ],
    threshold: [isWholeFrom(0), 'a whole number of bytes'],
  },
  example: `an object: { algorithm: 'brotli' }`,
  required: ['algorithm'],
  error: typeError,
};

/**
 * @param where the function that has the option, e.g. `redisStore()`
 * @throws TypeError for an unknown algorithm, or one that this Node does not have, and for a threshold that is not a number of bytes
 */
export function normaliseCompression(options: CompressionOptions, where: string): Compression {
  checkOptions(OPTIONS, options, `compression of ${where}`);
  const { algorithm, threshold = DEFAULT_THRESHOLD } = options;
  if (algorithms()[algorithm] === undefined) {
    throw new TypeError(
      `compression of ${where}: '${algorithm}' needs Node 22.15 or 23.8, and this is ${process.version}. ` +
        `Write 'brotli' or 'gzip', which every Node has.`,
    );
  }
  return { algorithm, threshold };
}

/** Compresses in another thread. */
export async function compress(
  raw: Buffer,
  algorithm: CompressionAlgorithm,
): Promise<{ readonly id: number; readonly bytes: Buffer }> {
  const { id, compress: run } = algorithms()[algorithm]!;
  // One chunk, so that the work is handed to the other thread once.
  return { id, bytes: await run(raw, { chunkSize: Math.max(raw.length, MIN_CHUNK) }) };
}

/**
 * Reverses {@link compress}, in another thread where the value is large.
 * @param rawBytes expected size: nothing is inflated beyond it
 * @throws Error for an unknown algorithm, and for data that does not inflate to that size
 */
export function inflate(id: number, bytes: Buffer, rawBytes: number): MaybePromise<Buffer> {
  const algorithm = Object.values(algorithms()).find((one) => one?.id === id);
  if (algorithm === undefined) throw new TypeError('unknown compression algorithm');
  if (!Number.isSafeInteger(rawBytes) || rawBytes <= 0 || rawBytes > MAX_RAW_BYTES)
    throw new TypeError('too large to inflate');
  const chunkSize = Math.max(rawBytes, MIN_CHUNK);
  const options = { chunkSize, maxOutputLength: rawBytes };
  return rawBytes <= INLINE_BYTES ? algorithm.inflateSync(bytes, options) : algorithm.inflate(bytes, options);
}
