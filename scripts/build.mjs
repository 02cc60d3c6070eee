// Builds lib/ into dist/esm and dist/cjs: tsc compiles it to ES modules in .tmp/tsc, and scripts/bundle.mjs bundles those.
// The pages of docs/ are packed as one file, dist/documentation.md. `--if-stale` does nothing when dist/ is newer than every source.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isFresh } from './newest.mjs';
import { inRoot, run } from './root.mjs';

/** Written last, so its time tells when a build was completed. */
const stamp = inRoot('dist', 'cjs', 'package.json');

/** The pages of docs/, each under its path, for those who read them offline. */
function documentation() {
  const pages = readdirSync(inRoot('docs'), { recursive: true }).filter((path) => path.endsWith('.md'));
  return pages.sort().map((path) => `<!-- docs/${path} -->\n\n${readFileSync(inRoot('docs', path), 'utf8')}`);
}

/** Output of tsc. It is kept, because the package check compares the bundles with it. */
const compiled = '.tmp/tsc';

const sources = [
  ...['lib', 'docs', 'tsconfig.json', 'tsconfig.build.json'],
  ...['build.mjs', 'bundle.mjs', 'entries.mjs', 'one-copy.mjs'].map((name) => `scripts/${name}`),
].map((path) => inRoot(path));

async function build() {
  if (!existsSync(inRoot('lib', 'index.ts')))
    throw new Error('lib/index.ts is missing: there is nothing to build.');
  for (const folder of ['dist', compiled]) rmSync(inRoot(folder), { recursive: true, force: true });
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const code = await run(process.execPath, [tsc, '-p', 'tsconfig.build.json']);
  if (code !== 0) throw new Error('The build failed: see the errors of tsc above.');
  // Loaded late: most runs find a fresh build.
  const { bundle } = await import('./bundle.mjs');
  await bundle(compiled, (format) => inRoot('dist', format));
  // Beside the folders of both formats, which read them from there.
  cpSync(inRoot('lib', 'dashboard', 'assets'), inRoot('dist', 'assets'), { recursive: true });
  writeFileSync(inRoot('dist', 'documentation.md'), documentation().join('\n'));
  // The package is "type": "module"; this makes Node and TypeScript read the files below as CommonJS.
  writeFileSync(stamp, '{ "type": "commonjs" }\n');
}

const isStale = !existsSync(inRoot(compiled)) || !isFresh(stamp, sources);
if (isStale || !process.argv.includes('--if-stale')) {
  try {
    await build();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
