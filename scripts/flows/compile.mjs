// Compiles lib/ for `npm run flows`: as the bundler gets it, and once more with functions that report their calls.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { isFresh } from '../newest.mjs';
import { inRoot, run } from '../root.mjs';
import { functionsOf } from './functions.mjs';
import { traced } from './tracing.mjs';

const folder = inRoot('.tmp', 'flows');

/** What tsc makes of lib/. */
export const plainFolder = join(folder, 'lib');
/** The same with functions that report their calls. */
export const tracedFolder = join(folder, 'traced');
/** Written last: every function of lib/; its place in the list is its id. */
const table = join(folder, 'functions.json');

const sources = ['lib', 'tsconfig.json', join('scripts', 'flows')];

const configuration = {
  extends: inRoot('tsconfig.json'),
  compilerOptions: { noEmit: false, rootDir: inRoot('lib'), outDir: plainFolder, paths: {} },
  include: [inRoot('lib')],
};

/**
 * Compiles lib/ unless that was done since it last changed.
 *
 * @returns {Promise<import('./functions.mjs').WrittenFunction[]>} the functions of lib/
 */
export async function compiledFunctions() {
  if (
    !isFresh(
      table,
      sources.map((path) => inRoot(path)),
    )
  )
    await compile();
  return JSON.parse(readFileSync(table, 'utf8'));
}

async function compile() {
  for (const path of [plainFolder, tracedFolder, table]) rmSync(path, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'tsconfig.json');
  writeFileSync(config, JSON.stringify(configuration));
  const code = await run(process.execPath, [
    inRoot('node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    config,
    // `npm run typecheck` checks types; this only needs the JavaScript.
    '--noCheck',
  ]);
  if (code !== 0) throw new Error('tsc could not compile lib/: see its errors above.');

  const recorder = pathToFileURL(inRoot('scripts', 'flows', 'recorder.mjs')).href;
  const all = [];
  for (const path of readdirSync(plainFolder, { recursive: true }).filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(join(plainFolder, path), 'utf8');
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const functions = functionsOf(path.replaceAll('\\', '/').replace(/\.js$/, '.ts'), source);
    mkdirSync(dirname(join(tracedFolder, path)), { recursive: true });
    writeFileSync(join(tracedFolder, path), traced(text, functions, all.length, recorder));
    all.push(...functions.map(({ file, name, start, end }) => ({ file, name, start, end })));
  }
  writeFileSync(table, JSON.stringify(all));
}
