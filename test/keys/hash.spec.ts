import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createKeyHash, KeyDefinitionError } from '../../lib/keys/index.js';
import { thrownBy } from './support.js';

describe('key hash', () => {
  it('is SHA-256 by default, in URL-safe base64', () => {
    expect(createKeyHash()('abc')).toBe(createHash('sha256').update('abc').digest('base64url'));
  });

  it('takes the name of a digest in any case, and writes hexadecimal where that is asked for', () => {
    expect(createKeyHash('SHA512', 'hex')('abc')).toBe(createHash('sha512').update('abc').digest('hex'));
  });

  it('takes a function', () => {
    const hash = (text: string) => createHmac('sha256', 'secret').update(text).digest('hex');
    expect(createKeyHash(hash)('abc')).toMatch(new RegExp(`^'?${hash('abc')}'?$`));
  });

  it('escapes what a function returns, so that it cannot break the key', () => {
    expect(createKeyHash(() => 'a{b} c;d')('abc')).toBe("'a%7Bb%7D%20c%3Bd'");
  });

  it.each([undefined, '', 1, Promise.resolve('a')])('refuses %p from a function', (result) => {
    const error = thrownBy(() => createKeyHash(() => result as string)('abc'));
    expect(error.code).toBe('KEY_HASH');
    expect(error.message).toContain('it must return a text');
  });

  it.each(['sha257', 'shake128', '', 7 as never])(
    'refuses the unknown digest %p and says what to write',
    (name) => {
      const error = thrownBy(() => createKeyHash(name));
      expect(error).toBeInstanceOf(KeyDefinitionError);
      expect(error.message).toContain('is not a digest of this Node');
      expect(error.message).toContain("Write 'sha256' (the default)");
    },
  );
});
