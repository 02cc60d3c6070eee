// `npm run soak`: the specs that read SOAK, themselves or through a helper of theirs, with their full counts, and those of test/operations. Arguments choose
// among them.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inRoot } from './root.mjs';
import { exitWith, runTests } from './test.mjs';

const OPERATIONS = join('test', 'operations');

const specs = readdirSync(inRoot('test'), { recursive: true })
  .map((path) => join('test', path))
  .filter((path) => path.endsWith('.spec.ts') && (path.startsWith(OPERATIONS) || readsSoak(path)));

function readsSoak(path) {
  const source = readFileSync(inRoot(path), 'utf8');
  if (/\bSOAK\b/.test(source)) return true;
  const helpers = [...source.matchAll(/from '(\.[^']*)\.js'/g)].map(([, name]) =>
    join(dirname(path), `${name}.ts`),
  );
  return helpers.some(
    (helper) =>
      helper.startsWith('test') &&
      existsSync(inRoot(helper)) &&
      /\bSOAK\b/.test(readFileSync(inRoot(helper), 'utf8')),
  );
}

const asked = process.argv.slice(2);
const chosen = asked.length === 0 ? specs : specs.filter((spec) => asked.some((part) => spec.includes(part)));

if (chosen.length === 0) {
  console.error(`No spec that reads SOAK matches; there are: ${specs.join(', ') || 'none'}.`);
  process.exit(1);
}
const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 31));
console.log(`SEED=${seed}: ${chosen.join(', ')}`);
await exitWith(runTests(['--verbose', '--runTestsByPath', ...chosen], { SOAK: '1', SEED: seed }));
