// The entry points of the package: lib/index.ts is `nestjs-restflow-cache`, any other lib/<name>.ts is
// `nestjs-restflow-cache/<name>`. What package.json exports is derived from the files that exist, so nothing is
// exported that is not there: `node scripts/entries.mjs` writes it, the package check compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { inRoot } from './root.mjs';

export function entryNames() {
  return readdirSync(inRoot('lib'))
    .filter((file) => /^[a-z][a-z0-9-]*\.ts$/.test(file) && file !== 'index.ts')
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
}

/** Node loads the ESM file for `import` and for `require` (module-sync); only loaders that know neither get CJS. */
function conditions(name) {
  const esm = { types: `./dist/esm/${name}.d.ts`, default: `./dist/esm/${name}.js` };
  const cjs = { types: `./dist/cjs/${name}.d.ts`, default: `./dist/cjs/${name}.js` };
  return { 'module-sync': esm, import: esm, require: cjs };
}

/** The fields of package.json that say what may be imported. */
export function exportFields() {
  const subpaths = entryNames();
  return {
    exports: {
      '.': conditions('index'),
      ...Object.fromEntries(subpaths.map((name) => [`./${name}`, conditions(name)])),
      './package.json': './package.json',
    },
    typesVersions: { '*': Object.fromEntries(subpaths.map((name) => [name, [`./dist/cjs/${name}.d.ts`]])) },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const manifest = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  writeFileSync(
    inRoot('package.json'),
    `${JSON.stringify(Object.assign(manifest, exportFields()), null, 2)}\n`,
  );
}
