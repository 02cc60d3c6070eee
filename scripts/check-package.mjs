// Checks what would be published: the exports match the entry files, and publint and attw pass on the tarball.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { exportFields } from './entries.mjs';
import { pack } from './pack.mjs';
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

const lockNamesNoHost = () => ({
  code: /"resolved": "https?:/.test(readFileSync(inRoot('package-lock.json'), 'utf8')) ? 1 : 0,
  output:
    'package-lock.json names a registry host: install with omit-lockfile-registry-resolved=true (.npmrc has it).',
});

const bin = (name, ...path) => inRoot('node_modules', name, ...path);

async function checkPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'restflow-pack-'));
  try {
    const tarball = await pack(folder);
    const node = (script, ...args) => capture(process.execPath, [script, ...args]);
    const checks = {
      exports: exportsMatch,
      lockfile: lockNamesNoHost,
      publint: () => node(bin('publint', 'src', 'cli.js'), tarball, '--strict'),
      attw: () =>
        node(bin('@arethetypeswrong', 'cli', 'dist', 'index.js'), tarball, '--no-emoji', '--no-color'),
    };
    let failed = 0;
    for (const [name, check] of Object.entries(checks)) {
      const { code, output } = await check();
      if (code !== 0) {
        failed += 1;
        console.error(`FAILED ${name}\n${output}`);
      } else {
        console.log(`passed ${name}`);
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
