// Installs the dependencies of a folder when what is in node_modules is not what its lock file says.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot, root, run } from './root.mjs';

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Compares the lock file with npm's own record of what it installed; takes a few milliseconds. */
export function isInstalled(folder = root) {
  const record = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = read(join(folder, 'package-lock.json')).packages;
  const present = read(record).packages;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (path === '' || link) return true;
    // Optional packages are left out where they are for another platform.
    return path in present ? present[path].version === version : optional === true;
  });
}

export async function ensureInstalled(folder = root) {
  if (isInstalled(folder)) return;
  console.log('Installing dependencies (npm ci) …');
  // npm is a script beside node on every platform; the shell finds it under whatever name it has there.
  const code = await run('npm ci --no-audit --no-fund --loglevel=error', [], { cwd: folder, shell: true });
  if (code !== 0) throw new Error(`npm ci failed with exit code ${code}.`);
}

if (process.argv[1] === inRoot('scripts', 'install.mjs')) await ensureInstalled();
