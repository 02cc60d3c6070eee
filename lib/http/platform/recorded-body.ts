import type { Bytes } from './raw-response.interface.js';

/** Collects the chunks of a body up to a bound. */
export class RecordedBody {
  readonly #bound: number;
  #chunks: Buffer[] = [];
  #length = 0;

  /** @param bound largest length that is kept, in bytes */
  constructor(bound: number) {
    this.#bound = bound;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Keeps a copy of the chunk: its owner may fill the same buffer again once it is written.
   *
   * @returns whether the body is still within the bound
   */
  add(chunk: Bytes, encoding?: BufferEncoding): boolean {
    const length = typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength;
    this.#length += length;
    if (this.#length > this.#bound) return false;
    if (length > 0) this.#chunks.push(copyOf(chunk, length, encoding));
    return true;
  }

  /** Frees what was collected. */
  clear(): void {
    this.#chunks = [];
  }

  /** The whole body, in memory of its own. */
  toBuffer(): Buffer {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only) return only;
    const body = Buffer.allocUnsafeSlow(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) offset += chunk.copy(body, offset);
    return body;
  }
}

/** The chunk's bytes, without copying where there are some already. */
export function viewOf(chunk: Bytes, encoding?: BufferEncoding): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Not from Node's pool: a small body would keep a whole slab alive that the store does not count. */
function copyOf(chunk: Bytes, length: number, encoding?: BufferEncoding): Buffer {
  const copy = Buffer.allocUnsafeSlow(length);
  if (typeof chunk === 'string') copy.write(chunk, encoding);
  else copy.set(chunk);
  return copy;
}
