import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import type { Fill } from './memory/fill.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** All kinds and sizes when soaking; otherwise each kind and each size once. */
const WANTED =
  process.env['SOAK'] === '1'
    ? ''
    : '^(text of 10|record of 100|bytes of 100|wide text of 1000|rows of 1000|numbers of 10000|map of 100000|text of 1000000) |cut|pool';

/** Noise of the measurement. Bytes. */
const NOISE = 256 * 1024;

it('a memory store reports the memory that its entries take, within a quarter, whatever they hold', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--no-warnings',
      '--expose-gc',
      '--import',
      here('../support/typescript.mjs'),
      here('memory/fill.ts'),
      WANTED,
    ],
    { env: { ...process.env, NODE_OPTIONS: '' } },
  );
  const fills = JSON.parse(stdout) as Fill[];
  expect(fills.length).toBeGreaterThan(8);
  const wrong = fills.filter(
    ({ reported, grown }) => Math.abs(reported - grown) > Math.max(0.25 * grown, NOISE),
  );
  expect(wrong).toEqual([]);
});
