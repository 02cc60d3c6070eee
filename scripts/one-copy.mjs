// Makes the code that entries share one copy for both formats: CommonJS in dist/cjs, which dist/esm hands the packages that it
// imported, since Jest refuses to require an ES module before Node 24.9. Two copies would double the package, and an
// application that loads both formats would have two caches.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Of dist/cjs: the packages that the ES modules have imported, by name, and the shared files that they want. */
const PACKAGES = 'packages.js';

const isPackage = (name) => !name.startsWith('.') && !name.startsWith('node:');

/**
 * @param {{ fileName: string, isEntry: boolean, imports: string[] }[]} chunks those of the ES modules
 * @param {(format: 'esm' | 'cjs') => string} folderOf the folder of a format; both hold their bundles
 */
export function shareOneCopy(chunks, folderOf) {
  const [esm, cjs] = ['esm', 'cjs'].map(folderOf);
  const shared = chunks.filter(({ isEntry }) => !isEntry);
  const imported = new Set(chunks.filter(({ isEntry }) => isEntry).flatMap(({ imports }) => imports));
  const packages = new Set();
  for (const { fileName } of shared) {
    const module = toCommonJs(fileName, readFileSync(join(esm, fileName), 'utf8'));
    writeFileSync(join(cjs, fileName), module.code);
    for (const name of module.packages) packages.add(name);
    if (imported.has(fileName)) writeFileSync(join(esm, fileName), asEsModule(fileName, module.names));
    else rmSync(join(esm, fileName));
  }
  // Node reads a whole CommonJS file for the names of its exports when an ES module imports it: this one is short.
  const files = shared
    .filter(({ fileName }) => imported.has(fileName))
    .map(({ fileName }) => `"${fileName}":()=>require("./${fileName}")`);
  writeFileSync(
    join(cjs, PACKAGES),
    `"use strict";exports.imported=new Map();exports.files={${files.join(',')}};\n`,
  );
  writeFileSync(join(esm, PACKAGES), handOver([...packages].sort()));
}

/** The statements of a module with its imports and exports as CommonJS has them; names are constants, as fast as imports. */
function toCommonJs(fileName, source) {
  const file = ts.createSourceFile(fileName, source, ts.ScriptTarget.Latest, true);
  const edits = [];
  const names = [];
  const packages = [];
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) {
      const name = statement.moduleSpecifier.text;
      if (isPackage(name)) packages.push(name);
      edits.push([statement, `${bound(statement.importClause)}${required(name)};`]);
    } else if (ts.isExportDeclaration(statement)) {
      const elements = statement.exportClause.elements.map(({ propertyName, name }) => [
        name.text,
        (propertyName ?? name).text,
      ]);
      names.push(...elements);
      const members = elements.map(([name, own]) => (name === own ? name : `${name}:${own}`));
      edits.push([statement, `module.exports={${members.join(',')}};`]);
    }
  }
  for (const call of dynamicImports(file))
    edits.push([call, `Promise.resolve().then(()=>${required(call.arguments[0].text)})`]);
  assertConstant(
    file,
    names.map(([, own]) => own),
  );
  edits.sort(([a], [b]) => b.getStart() - a.getStart());
  const code = edits.reduce(
    (text, [node, by]) => text.slice(0, node.getStart()) + by + text.slice(node.end),
    source,
  );
  return {
    code: `"use strict";const{imported:$packages}=require("./${PACKAGES}");${code}`,
    names: names.map(([name]) => name),
    packages,
  };
}

/** `const{a,b:c}=` of `import{a,b as c}`. */
function bound(clause) {
  if (clause === undefined) return '';
  const { name, namedBindings } = clause;
  if (name !== undefined) throw new Error(`import ${name.text}: shared code has named imports only.`);
  if (ts.isNamespaceImport(namedBindings)) return `const ${namedBindings.name.text}=`;
  const members = namedBindings.elements.map(({ propertyName, name: own }) =>
    propertyName === undefined ? own.text : `${propertyName.text}:${own.text}`,
  );
  return `const{${members.join(',')}}=`;
}

/** A bundler of an application finds the package by the text of `require`. */
const required = (name) =>
  isPackage(name) ? `($packages.get("${name}")??require("${name}"))` : `require("${name}")`;

function dynamicImports(file) {
  const found = [];
  const visit = (node) => {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Importers get the values that stand when the file was run. */
function assertConstant(file, names) {
  const exported = new Set(variablesOf(file).filter((name) => names.includes(name)));
  const changed = new Set();
  const visit = (node, isInFunction) => {
    if (isInFunction && isAssignment(node) && exported.has(node.left.text)) changed.add(node.left.text);
    ts.forEachChild(node, (child) => visit(child, isInFunction || ts.isFunctionLike(node)));
  };
  visit(file, false);
  if (changed.size > 0)
    throw new Error(
      `Other files import ${[...changed].join(', ')}, which a function changes: export a function.`,
    );
}

/** Those that can change: classes with decorators are such, but change only while the file is run. */
const variablesOf = (file) =>
  file.statements
    .filter((one) => ts.isVariableStatement(one) && (one.declarationList.flags & ts.NodeFlags.Const) === 0)
    .flatMap(({ declarationList }) => declarationList.declarations.map(({ name }) => name.text));

const isAssignment = (node) =>
  ts.isBinaryExpression(node) &&
  ts.isAssignmentOperator(node.operatorToken.kind) &&
  ts.isIdentifier(node.left);

const asEsModule = (fileName, names) =>
  `import"./${PACKAGES}";import packages from"../cjs/${PACKAGES}";export const{${names.join(',')}}=packages.files["${fileName}"]();\n`;

/** ES modules are evaluated in the order of their imports: this one before the code that requires the packages. */
const handOver = (packages) =>
  [
    ...packages.map((name, index) => `import*as p${index} from"${name}";`),
    `import packages from"../cjs/${PACKAGES}";`,
    ...packages.map((name, index) => `packages.imported.set("${name}",p${index});`),
  ].join('') + '\n';
