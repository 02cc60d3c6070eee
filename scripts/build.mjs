// Builds lib/ into dist/esm and dist/cjs. `--if-stale` does nothing when dist/ is newer than every source.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { isFresh } from './newest.mjs';
import { inRoot, run } from './root.mjs';

/** Written last, so its time tells when a build was completed. */
const stamp = inRoot('dist', 'cjs', 'package.json');

const sources = ['lib', 'tsconfig.json', 'tsconfig.esm.json', 'tsconfig.cjs.json'].map((path) =>
  inRoot(path),
);

async function build() {
  if (!existsSync(inRoot('lib', 'index.ts')))
    throw new Error('lib/index.ts is missing: there is nothing to build.');
  rmSync(inRoot('dist'), { recursive: true, force: true });
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const codes = await Promise.all(
    ['esm', 'cjs'].map((format) => run(process.execPath, [tsc, '-p', `tsconfig.${format}.json`])),
  );
  if (codes.some((code) => code !== 0)) throw new Error('The build failed: see the errors of tsc above.');
  // The package is "type": "module"; this makes Node and TypeScript read the files below as CommonJS.
  writeFileSync(stamp, '{ "type": "commonjs" }\n');
}

if (!(process.argv.includes('--if-stale') && isFresh(stamp, sources))) {
  try {
    await build();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
