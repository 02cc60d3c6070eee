// `npm run bench` runs every benchmark, `npm run bench -- <name> …` one: it installs what is missing, builds the library, runs
// bench/<name>.mjs against dist/ and writes bench/results/<name>.json. `npm run bench -- report` draws the charts of these results.
import { existsSync, readdirSync } from 'node:fs';
import { ensureInstalled } from '../scripts/install.mjs';
import { inRoot, run } from '../scripts/root.mjs';

/** In the order in which they run; the others are run by name. */
const ALL = ['keys', 'library', 'flat', 'heap', 'redis', 'drop', 'http', 'http-redis', 'http-miss', 'fleet'];

const [name, ...args] = process.argv.slice(2);
const known = readdirSync(inRoot('bench'))
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -'.mjs'.length));

if (name !== undefined && !existsSync(inRoot('bench', `${name}.mjs`))) {
  console.error(`There is no benchmark '${name}'. There are: ${known.join(', ')}.`);
  process.exit(1);
}
await ensureInstalled();
await ensureInstalled(inRoot('bench'));
if (name !== 'report') {
  const failed = await run(process.execPath, [inRoot('scripts', 'build.mjs'), '--if-stale']);
  if (failed) process.exit(failed);
}
let code = 0;
for (const one of name === undefined ? [...ALL, 'report'] : [name])
  code ||= await run(process.execPath, ['--expose-gc', inRoot('bench', `${one}.mjs`), ...args]);
process.exit(code);
