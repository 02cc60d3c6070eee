// `npm run bench -- <name> …`: installs what is missing, builds the library and runs bench/<name>.mjs against dist/.
import { existsSync, readdirSync } from 'node:fs';
import { ensureInstalled } from '../scripts/install.mjs';
import { inRoot, run } from '../scripts/root.mjs';

const [name, ...args] = process.argv.slice(2);
const known = readdirSync(inRoot('bench'))
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -'.mjs'.length));

if (!name || !existsSync(inRoot('bench', `${name}.mjs`))) {
  console.error(
    `Say which benchmark to run, npm run bench -- <name>; there are: ${known.join(', ') || 'none yet'}.`,
  );
  process.exit(1);
}
await ensureInstalled();
const built = await run(process.execPath, [inRoot('scripts', 'build.mjs'), '--if-stale']);
process.exit(
  built || (await run(process.execPath, ['--expose-gc', inRoot('bench', `${name}.mjs`), ...args])),
);
