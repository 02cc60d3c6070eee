import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** The TypeScript files of `src/`, but for tests. */
export function readSources(folder) {
  const found = [];
  const visit = (at) => {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules') visit(path);
      else if (/\.[cm]?ts$/.test(entry.name) && !/\.(?:spec|test|d)\.[cm]?ts$/.test(entry.name))
        found.push({
          path: relative(folder, path).replaceAll('\\', '/'),
          text: withoutComments(readFileSync(path, 'utf8')),
        });
    }
  };
  visit(join(folder, 'src'));
  // A workspace of the Nest CLI.
  visit(join(folder, 'apps'));
  visit(join(folder, 'libs'));
  return found;
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** What is commented out is not in use. */
const withoutComments = (text) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');

/** The options of TypeScript, with those of the files that it extends, and of SWC; `undefined` for a file that is missing. */
export function readCompilerOptions(folder) {
  return { options: readTsconfig(join(folder, 'tsconfig.json')), swc: readJson(join(folder, '.swcrc')) };
}

function readTsconfig(file, depth = 0) {
  const config = readJson(file);
  if (config === undefined) return undefined;
  const parents = [config.extends ?? []]
    .flat()
    .filter((one) => typeof one === 'string' && one.startsWith('.'));
  const inherited = parents.map((one) => {
    const path = join(file, '..', one.endsWith('.json') ? one : `${one}.json`);
    return depth < 5 ? readTsconfig(path, depth + 1) : undefined;
  });
  return Object.assign({}, ...inherited, config.compilerOptions);
}

/** JSON with comments and commas before brackets, as tsconfig.json may have. */
function readJson(file) {
  try {
    const text = readFileSync(file, 'utf8');
    // Texts are kept: a path may hold two slashes.
    const plain = text.replace(/("(?:\\.|[^"\\])*")|\/\*[\s\S]*?\*\/|\/\/.*/g, (_, kept) => kept ?? '');
    return JSON.parse(plain.replace(/,(\s*[}\]])/g, '$1'));
  } catch {
    return undefined;
  }
}
