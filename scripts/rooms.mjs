import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path/posix';
import ts from 'typescript';

/**
 * Which rooms of lib/ a room may import from. What those know is known too; every room may import from the foundations.
 * The files at the top of lib/ are entries and know everyone.
 */
export const rooms = {
  keys: [],
  stores: [],
  cache: ['keys', 'stores'],
  http: ['cache'],
  invalidation: ['cache'],
  typeorm: ['invalidation'],
  dispatchers: ['invalidation', 'typeorm'],
  // They describe in the terms of the rooms that read them, which check what was written; nobody knows them.
  decorators: ['http', 'invalidation'],
  verify: ['cache'],
  // No file of the others imports these two.
  testing: ['module'],
  module: ['http', 'typeorm', 'dispatchers', 'decorators', 'verify'],
  // Each is an entry of its own, which the main entry does not know.
  prometheus: ['cache', 'decorators'],
  opentelemetry: ['cache'],
  dashboard: ['cache', 'decorators'],
};

/** Rooms that every other room may import from, each with the foundations that it knows. */
export const foundations = { common: [], observability: ['common'] };

/**
 * Which folders of its own room a sub-room may import from; '.' is the files beside the folders. The files beside the folders
 * may import from all of them.
 */
export const subRooms = {
  'cache/engine': ['values'],
  'cache/values': [],
  'http/lane': ['.', 'answer', 'platform'],
  'http/rfc9111': ['.', 'answer'],
  'http/answer': ['.', 'rewarm', 'request'],
  'http/rewarm': ['.', 'route'],
  'http/request': ['.', 'route'],
  'http/route': ['.', 'headers', 'inputs'],
  'http/platform': ['.', 'headers', 'inputs'],
  'http/inputs': ['.'],
  'http/headers': ['.'],
  'invalidation/exchange': ['.', 'jobs'],
  'invalidation/jobs': ['.', 'rewarm'],
  'invalidation/rewarm': ['.', 'rules'],
  'invalidation/rules': ['.'],
  'dispatchers/outbox': ['.'],
  'keys/fields': ['.'],
  'stores/redis': ['.'],
  'typeorm/collect': ['.', 'patches', 'rows'],
  'typeorm/postgres': ['.', 'entities', 'log'],
  'typeorm/mysql': ['.', 'log', 'sql'],
  'typeorm/log': ['.'],
  'typeorm/patches': ['.', 'sql'],
  'typeorm/sql': ['.', 'entities'],
  'typeorm/rows': ['.', 'entities'],
  'typeorm/entities': ['.'],
};

/** The room of a file of lib/, e.g. 'keys'; a file at the top of lib/ stands in none. */
const roomOf = (file) => (file.split('/').length > 2 ? file.split('/')[1] : undefined);

/** The folder of a file within its room: 'answer' of lib/http/answer/storable.ts, '.' of lib/http/explain.ts. */
const folderOf = (file) => file.split('/').slice(2, -1).join('/') || '.';

function knownTo(room) {
  if (room in foundations) return new Set([room, ...foundations[room]]);
  if (!(room in rooms)) return undefined;
  const known = new Set([room, ...Object.keys(foundations)]);
  for (const other of rooms[room]) for (const one of knownTo(other)) known.add(one);
  return known;
}

function foldersKnownTo(room, folder) {
  const known = new Set([folder]);
  for (const other of subRooms[`${room}/${folder}`] ?? []) {
    known.add(other);
    if (other !== '.') for (const one of foldersKnownTo(room, other)) known.add(one);
  }
  return known;
}

/** Why a file must not import another file of its room; `undefined` where it may. */
function folderProblem(file, target) {
  const [room, folder, other] = [roomOf(file), folderOf(file), folderOf(target)];
  if (room !== roomOf(target) || folder === '.' || folder === other) return undefined;
  if (foldersKnownTo(room, folder).has(other)) return undefined;
  return `${file}: ${room}/${folder} must not know ${other === '.' ? `the files beside it` : `${room}/${other}`} (imports ${target})`;
}

/**
 * The imports that a source makes. `runtime` is what is left after compilation: with verbatimModuleSyntax an import whose
 * names are all `type` still loads its module.
 */
export function importsOf(file, source) {
  const found = [];
  const add = (specifier, runtime) => {
    if (specifier && ts.isStringLiteralLike(specifier)) found.push({ specifier: specifier.text, runtime });
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, !node.importClause?.isTypeOnly);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, !node.isTypeOnly);
    else if (ts.isImportTypeNode(node)) add(node.argument.literal, false);
    else if (ts.isCallExpression(node)) {
      const { expression } = node;
      const loads =
        expression.kind === ts.SyntaxKind.ImportKeyword ||
        (ts.isIdentifier(expression) && expression.text === 'require');
      if (loads) add(node.arguments[0], true);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true));
  return found;
}

const packageOf = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
const isBuiltin = (specifier) => specifier.startsWith('node:') || builtinModules.includes(specifier);

/** The files reached from `start` along runtime imports, each with the way to it. */
function reach(start, graph) {
  const ways = new Map([[start, [start]]]);
  for (const [file, way] of ways) {
    for (const { target, runtime } of graph.get(file) ?? []) {
      if (runtime && target && !ways.has(target)) ways.set(target, [...way, target]);
    }
  }
  return ways;
}

/**
 * Checks the direction of imports between the rooms of lib/.
 *
 * @param {Map<string, string>} sources path (`lib/keys/…`) to source text
 * @param {object} manifest package.json
 * @returns {string[]} one line for each violation
 */
export function violations(sources, manifest) {
  const problems = [];
  const graph = new Map();
  const optional = (name) => manifest.peerDependenciesMeta?.[name]?.optional === true;
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };

  for (const [file, source] of sources) {
    const room = roomOf(file);
    const known = knownTo(room);
    const folder = folderOf(file);
    if (!known && room) problems.push(`${file}: '${room}' is not a room of scripts/rooms.mjs`);
    else if (known && folder !== '.' && !(`${room}/${folder}` in subRooms))
      problems.push(`${file}: '${room}/${folder}' is not a folder of scripts/rooms.mjs`);
    const edges = importsOf(file, source).map(({ specifier, runtime }) => {
      if (!specifier.startsWith('.')) return { specifier, runtime };
      return {
        runtime,
        target: normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts'),
      };
    });
    graph.set(file, edges);
    for (const { target, specifier } of edges) {
      if (target && known && !known.has(roomOf(target))) {
        problems.push(`${file}: ${room} must not know ${roomOf(target)} (imports ${target})`);
      }
      const problem = target && folderProblem(file, target);
      if (problem) problems.push(problem);
      if (specifier && !isBuiltin(specifier) && !(packageOf(specifier) in declared)) {
        problems.push(`${file}: ${specifier} is neither a dependency nor a peer of the package`);
      }
    }
  }

  for (const [file, way] of reach('lib/index.ts', graph)) {
    for (const { specifier } of (graph.get(file) ?? []).filter((edge) => edge.specifier && edge.runtime)) {
      if (!optional(packageOf(specifier))) continue;
      problems.push(`${file}: the main entry must load without ${specifier} (reached by ${way.join(' → ')})`);
    }
  }

  for (const cycle of cycles(graph)) problems.push(`${cycle[0]}: imports itself (${cycle.join(' → ')})`);
  return problems;
}

/** One cycle of imports, types included, for each group of files that import each other. */
function cycles(graph) {
  const found = [];
  const done = new Set();
  const visit = (file, way) => {
    const start = way.indexOf(file);
    if (start >= 0) {
      found.push([...way.slice(start), file]);
      return;
    }
    if (done.has(file)) return;
    for (const { target } of graph.get(file) ?? []) if (target) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
