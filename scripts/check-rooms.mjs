// Fails on an import between the rooms of lib/ that goes the wrong way: see scripts/rooms.mjs.
import { readFileSync, readdirSync } from 'node:fs';
import { sep } from 'node:path';
import { violations } from './rooms.mjs';
import { inRoot } from './root.mjs';

const files = readdirSync(inRoot('lib'), { recursive: true })
  .map((path) => `lib/${path.split(sep).join('/')}`)
  .filter((path) => path.endsWith('.ts'));
const sources = new Map(files.map((file) => [file, readFileSync(inRoot(file), 'utf8')]));
const problems = violations(sources, JSON.parse(readFileSync(inRoot('package.json'), 'utf8')));

for (const problem of problems) console.error(problem);
console.log(`${files.length} files, ${problems.length} forbidden imports`);
process.exit(problems.length === 0 ? 0 : 1);
