import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transform, type Options } from '@swc/core';
import { swc } from '../../../jest.config.mjs';
import { inRoot } from '../../../scripts/root.mjs';

/**
 * Compiles the library and the workers as jest does, for processes that jest is not in: it is the source that is tested,
 * not the last build. Inside the repository, so that dependencies are found.
 */
export async function compileWorkers(): Promise<{ path(file: string): string; remove(): void }> {
  mkdirSync(inRoot('.tmp'), { recursive: true });
  const folder = mkdtempSync(inRoot('.tmp', 'fleet-'));
  const sources = ['lib', 'test/fleet/support'].flatMap((root) =>
    readdirSync(inRoot(root), { recursive: true }).map((path) => join(root, String(path))),
  );
  await Promise.all(
    sources
      .filter((path) => path.endsWith('.ts'))
      .map(async (path) => {
        const { code } = await transform(readFileSync(inRoot(path), 'utf8'), {
          ...(swc as Options),
          filename: path,
        });
        const target = join(folder, path.replace(/\.ts$/, '.js'));
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, code);
      }),
  );
  return {
    path: (file) => join(folder, 'test/fleet/support', file),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
