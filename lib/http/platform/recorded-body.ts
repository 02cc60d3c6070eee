import type { Bytes } from './raw-response.interface.js';

/** Tells chunks that can be written to a response from values that make Node throw. */
export function isBytes(chunk: unknown): chunk is Bytes {
  return typeof chunk === 'string' || chunk instanceof Uint8Array;
}

/** Collects the chunks of a body up to a limit. */
export class RecordedBody {
  readonly #bound: number;
  #chunks: Buffer[] = [];
  /** Number of bytes so far. */
  length = 0;

  /** @param bound length of the largest body that is kept, in bytes */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /**
   * Keeps a copy of the chunk: its owner may reuse the buffer after writing it.
   *
   * @returns true while the body is within the limit
   */
  add(chunk: Bytes, encoding?: BufferEncoding): boolean {
    const length = typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength;
    this.length += length;
    if (this.length > this.#bound) return false;
    if (length > 0) this.#chunks.push(copyOf(chunk, length, encoding));
    return true;
  }

  /** Frees the collected chunks. */
  clear(): void {
    this.#chunks = [];
  }

  /** The whole body, in its own memory. */
  toBuffer(): Buffer {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only) return only;
    const body = Buffer.allocUnsafeSlow(this.length);
    let offset = 0;
    for (const chunk of this.#chunks) offset += chunk.copy(body, offset);
    return body;
  }
}

/** The bytes of a chunk; bytes are not copied. */
export function viewOf(chunk: Bytes, encoding?: BufferEncoding): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Not from Node's buffer pool: a small body would keep a whole slab alive that the store does not count. */
function copyOf(chunk: Bytes, length: number, encoding?: BufferEncoding): Buffer {
  const copy = Buffer.allocUnsafeSlow(length);
  if (typeof chunk === 'string') copy.write(chunk, encoding);
  else copy.set(chunk);
  return copy;
}
