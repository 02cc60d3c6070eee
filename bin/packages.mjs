import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version of a package that an application would load, as Node finds it: in the folder or in one above. */
export function installedVersion(folder, name) {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return JSON.parse(readFileSync(join(at, 'node_modules', name, 'package.json'), 'utf8')).version;
    } catch {
      if (dirname(at) === at) return undefined;
    }
  }
}

/** Tells whether a version is in a range of the forms that this package uses: `^1.2.0 || >=3.0.0`. */
export function isInRange(version, range) {
  const given = parse(version);
  return range.split('||').some((part) => {
    const [, operator, least] = /^\s*(\^|>=)(\S+)\s*$/.exec(part) ?? [];
    if (least === undefined) return false;
    const wanted = parse(least);
    if (compare(given, wanted) < 0) return false;
    if (operator === '>=' || given[0] !== wanted[0]) return operator === '>=';
    // Below 1.0 a new minor version may break.
    return wanted[0] > 0 || given[1] === wanted[1];
  });
}

const parse = (version) => version.split('-', 1)[0].split('.').map(Number);

function compare(one, other) {
  for (let i = 0; i < 3; i++) if (one[i] !== other[i]) return one[i] - other[i];
  return 0;
}
