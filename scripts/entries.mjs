// The entry points of the package: lib/index.ts is `nestjs-restflow-cache`, lib/<name>.ts is
// `nestjs-restflow-cache/<name>` for the names below. Only those whose file exists are exported:
// `node scripts/entries.mjs` writes that to package.json, the package check compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { inRoot } from './root.mjs';

/** What needs an optional peer, or is not for production, has an entry of its own. */
const subpaths = [
  'bullmq',
  'dashboard',
  'microservices',
  'mysql',
  'node-redis',
  'opentelemetry',
  'pg-boss',
  'postgres',
  'prometheus',
  'redis',
  'testing',
];

/** Names of the entries that exist, as files of lib/ without their extension; the main one first. */
export const entryNames = () => [
  'index',
  ...subpaths.filter((name) => existsSync(inRoot('lib', `${name}.ts`))),
];

/** Node loads the ESM file for `import` and for `require` (module-sync); only loaders that know neither get CJS. */
function conditions(name) {
  const esm = { types: `./dist/esm/${name}.d.ts`, default: `./dist/esm/${name}.js` };
  const cjs = { types: `./dist/cjs/${name}.d.ts`, default: `./dist/cjs/${name}.js` };
  return { 'module-sync': esm, import: esm, require: cjs };
}

/** The fields of package.json that say what may be imported. */
export function exportFields() {
  const [, ...present] = entryNames();
  return {
    exports: {
      '.': conditions('index'),
      ...Object.fromEntries(present.map((name) => [`./${name}`, conditions(name)])),
      './package.json': './package.json',
    },
    typesVersions: { '*': Object.fromEntries(present.map((name) => [name, [`./dist/cjs/${name}.d.ts`]])) },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const manifest = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  writeFileSync(
    inRoot('package.json'),
    `${JSON.stringify(Object.assign(manifest, exportFields()), null, 2)}\n`,
  );
}
