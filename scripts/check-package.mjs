// Checks what would be published: the exports match the entry files, publint and attw pass on the tarball, and its bundles
// export and record what the output of tsc does, with one copy of everything.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { exportFields } from './entries.mjs';
import { pack } from './pack.mjs';
import {
  checkIdentity,
  checkImports,
  checkJest,
  checkNames,
  checkSingletons,
  checkSize,
} from './package-contents.mjs';
import { capture, inRoot } from './root.mjs';

const manifest = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));

const exportsMatch = () => {
  const wanted = exportFields();
  const same = Object.entries(wanted).every(([field, value]) => isDeepStrictEqual(manifest[field], value));
  return {
    code: same ? 0 : 1,
    output: 'The exports of package.json are not those of lib/*.ts: run `node scripts/entries.mjs`.',
  };
};

/** Why `npm ci` would refuse the lock file, or tie a user to a registry. */
function lockFileProblems() {
  const text = readFileSync(inRoot('package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text);
  const locked = new Set(Object.keys(packages).map((path) => path.split('node_modules/').at(-1)));
  // npm leaves out the build for a platform that a registry does not have, and then refuses the file: choose, with
  // `overrides` of package.json, a version that has them all.
  const incomplete = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !locked.has(name))
      .map((name) => `package-lock.json lacks ${name}, which ${path} names: npm ci will refuse it`),
  );
  const named = /"resolved": "https?:/.test(text)
    ? [
        'package-lock.json names a registry: install with omit-lockfile-registry-resolved=true, as .npmrc says',
      ]
    : [];
  return [...incomplete, ...named];
}

function lockFile() {
  const problems = lockFileProblems();
  return { code: problems.length === 0 ? 0 : 1, output: problems.join('\n') };
}

const bin = (name, ...path) => inRoot('node_modules', name, ...path);

/** Inside of the repository, whose node_modules have every peer; apart from it, so that its name is not the repository's own. */
const folder = inRoot('.tmp', 'packed');
const unpacked = join(folder, 'node_modules', manifest.name);

async function unpack(tarball) {
  mkdirSync(unpacked, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const { code, output } = await capture('tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1']);
  if (code !== 0) throw new Error(`The tarball cannot be unpacked:\n${output}`);
}

async function checkPackage() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    const tarball = await pack(folder);
    await unpack(tarball);
    const compiled = inRoot('.tmp', 'tsc');
    const node = (script, ...args) => capture(process.execPath, [script, ...args]);
    const checks = {
      exports: exportsMatch,
      lockfile: lockFile,
      publint: () => node(bin('publint', 'src', 'cli.js'), tarball, '--strict'),
      attw: () =>
        node(bin('@arethetypeswrong', 'cli', 'dist', 'index.js'), tarball, '--no-emoji', '--no-color'),
      size: () => checkSize(unpacked),
      imports: () => checkImports(unpacked, manifest),
      names: () => checkNames(unpacked, compiled),
      singletons: () => checkSingletons(unpacked, compiled),
      identity: () => checkIdentity(folder, manifest.name),
      jest: () => checkJest(folder, manifest.name),
    };
    let failed = 0;
    for (const [name, check] of Object.entries(checks)) {
      const { code, output, note } = await check();
      if (code !== 0) {
        failed += 1;
        console.error(`FAILED ${name}\n${output}`);
      } else {
        console.log(`passed ${name}${note ? ` (${note})` : ''}`);
      }
    }
    return failed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failed = await checkPackage().catch((error) => {
  console.error(`FAILED ${error.message}`);
  return 1;
});
process.exit(failed === 0 ? 0 : 1);
