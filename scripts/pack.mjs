import { join } from 'node:path';
import { capture, inRoot } from './root.mjs';

/** Builds the library where dist/ is not fresh, packs it into the folder, and answers the tarball's path. */
export async function pack(folder) {
  const built = await capture(process.execPath, [inRoot('scripts', 'build.mjs'), '--if-stale']);
  if (built.code !== 0) throw new Error(`The build failed:\n${built.output}`);
  const packed = await capture(`npm pack --ignore-scripts --json --pack-destination "${folder}"`, [], {
    shell: true,
  });
  const name = /"filename":\s*"([^"]+)"/.exec(packed.output)?.[1];
  if (packed.code !== 0 || !name) throw new Error(`npm pack failed:\n${packed.output}`);
  return join(folder, name);
}
