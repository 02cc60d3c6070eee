import { createHash, getHashes } from 'node:crypto';
import { encodeText } from './scalars.js';
import { KeyDefinitionError, KeyError } from './key-errors.js';
import type { KeyHash } from './key.interface.js';

/** Encoding of a digest. */
export type HashEncoding = 'hex' | 'base64url';

/**
 * Makes the function that hashes texts too long, or too private, for a key.
 *
 * @param algorithm the name of a `node:crypto` digest, or a function from text to text; default `'sha256'`
 * @param encoding how the digest is written; default `'base64url'` (43 characters for SHA-256; hexadecimal has 64).
 *   The result of a function is escaped like any other text.
 * @throws {KeyDefinitionError} if the name is not one of a digest of this Node, with names to write instead
 *
 * @example
 * ```ts
 * createKeyHash('sha512', 'hex')('some text');
 * createKeyHash((text) => createHmac('sha256', secret).update(text).digest('hex'));
 * ```
 */
export function createKeyHash(
  algorithm: string | KeyHash = 'sha256',
  encoding: HashEncoding = 'base64url',
): KeyHash {
  if (typeof algorithm === 'function') return (text) => checkHash(algorithm(text));
  const name = typeof algorithm === 'string' ? algorithm.toLowerCase() : algorithm;
  if (!isDigest(name)) {
    throw new KeyDefinitionError(
      `keyHashAlgorithm: ${JSON.stringify(algorithm) ?? String(algorithm)} is not a digest of this Node. Write 'sha256' (the ` +
        `default), 'sha512', 'blake2b512', 'sha1' or another name of crypto.getHashes() with a fixed output, or a ` +
        `function (text: string) => string.`,
    );
  }
  return (text) => createHash(name).update(text).digest(encoding);
}

/** SHAKE is refused: its output has any length, and no safe default. */
function isDigest(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    !name.includes('shake') &&
    getHashes().some((known) => known.toLowerCase() === name)
  );
}

function checkHash(hash: unknown): string {
  if (typeof hash === 'string' && hash !== '') return encodeText(hash);
  throw new KeyError(
    'KEY_HASH',
    `keyHashAlgorithm: the function returned ${hash === '' ? 'an empty text' : typeof hash}; it must return a text, synchronously.`,
  );
}
