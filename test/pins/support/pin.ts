import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from '@jest/globals';

const folder = join(import.meta.dirname, '..');
const renewed = process.env.UPDATE_PINS === '1';

/**
 * Compares a text with the committed file `test/pins/<name>`. `UPDATE_PINS=1 npm test -- test/pins` rewrites the files:
 * read their diff, because what is pinned here is a promise to users or to other processes.
 */
export function expectPinned(name: string, text: string): void {
  const file = join(folder, name);
  const actual = `${text.trimEnd()}\n`;
  if (renewed) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
  }
  const pinned = existsSync(file) ? readFileSync(file, 'utf8') : `(test/pins/${name} does not exist)`;
  expect(actual).toBe(pinned);
}
