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
  dispatchers: ['invalidation'],
  // They describe in the terms of the rooms that read them, which check what was written; nobody knows them.
  decorators: ['http', 'invalidation'],
  // No file of the others imports these two.
  testing: ['stores'],
  module: ['http', 'typeorm', 'dispatchers', 'decorators'],
};

/** Rooms that every other room may import from, each with the foundations that it knows. */
export const foundations = { common: [], observability: ['common'] };

/** The room of a file of lib/, e.g. 'keys'; a file at the top of lib/ stands in none. */
const roomOf = (file) => (file.split('/').length > 2 ? file.split('/')[1] : undefined);

function knownTo(room) {
  if (room in foundations) return new Set([room, ...foundations[room]]);
  if (!(room in rooms)) return undefined;
  const known = new Set([room, ...Object.keys(foundations)]);
  for (const other of rooms[room]) for (const one of knownTo(other)) known.add(one);
  return known;
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
    if (!known && room) problems.push(`${file}: '${room}' is not a room of scripts/rooms.mjs`);
    const edges = importsOf(file, source).map(({ specifier, runtime }) => {
      if (!specifier.startsWith('.')) return { specifier, runtime };
      return { runtime, target: normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts') };
    });
    graph.set(file, edges);
    for (const { target, specifier } of edges) {
      if (target && known && !known.has(roomOf(target))) {
        problems.push(`${file}: ${room} must not know ${roomOf(target)} (imports ${target})`);
      }
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

/** One cycle of runtime imports for each group of files that import each other. */
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
    for (const { target, runtime } of graph.get(file) ?? [])
      if (target && runtime) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
