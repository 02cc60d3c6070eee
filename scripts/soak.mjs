// `npm run soak`: the specs that read SOAK, with their full counts. Arguments choose among them.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot } from './root.mjs';
import { exitWith, runTests } from './test.mjs';

const specs = readdirSync(inRoot('test'), { recursive: true })
  .map((path) => join('test', path))
  .filter((path) => path.endsWith('.spec.ts') && /\bSOAK\b/.test(readFileSync(inRoot(path), 'utf8')));

const asked = process.argv.slice(2);
const chosen = asked.length === 0 ? specs : specs.filter((spec) => asked.some((part) => spec.includes(part)));

if (chosen.length === 0) {
  console.error(`No spec that reads SOAK matches; there are: ${specs.join(', ') || 'none'}.`);
  process.exit(1);
}
const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 31));
console.log(`SEED=${seed}: ${chosen.join(', ')}`);
await exitWith(runTests(['--verbose', '--runTestsByPath', ...chosen], { SOAK: '1', SEED: seed }));
