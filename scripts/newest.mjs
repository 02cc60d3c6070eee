import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** When the newest file of a folder was written, in milliseconds; or of a path that is a file. */
export function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Whether a file that a build writes last is newer than all that the build reads. */
export function isFresh(stamp, sources) {
  return existsSync(stamp) && Math.max(...sources.map(newest)) < statSync(stamp).mtimeMs;
}
