import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export const root = join(import.meta.dirname, '..', '..');

/** One block of TypeScript in a page, as a module of its own. */
export interface CodeBlock {
  /** `docs/keys.md:9` */
  readonly where: string;
  readonly code: string;
  /** The code, with imports of what it takes for granted. */
  readonly module: string;
}

/** Where names come from that examples do not import. The first that knows a name has it. */
const SOURCES = [
  '../../test/docs/prelude.js',
  'nestjs-restflow-cache',
  '@nestjs/common',
  '@nestjs/typeorm',
  'typeorm',
];

/** README.md, and the pages of docs/ and its folders. */
export function pages(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true })
    .map((file) => `docs/${String(file).replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.md'));
  return ['README.md', ...docs.sort()];
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The blocks marked ts in README.md and docs/. */
export function codeBlocks(namesOf: (source: string) => ReadonlySet<string>): CodeBlock[] {
  return pages().flatMap((page) => {
    const text = readPage(page);
    return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(({ index, 1: code }) => ({
      where: `${page}:${text.slice(0, index).split('\n').length}`,
      code: code!,
      module: `${importsFor(code!, namesOf)}${code!}\nexport {};\n`,
    }));
  });
}

function importsFor(code: string, namesOf: (source: string) => ReadonlySet<string>): string {
  const file = ts.createSourceFile('block.ts', code, ts.ScriptTarget.ES2022, true);
  const own = new Set<string>();
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) used.add(node.text);
    const { name } = node as { name?: ts.Node };
    const declares = ts.isImportSpecifier(node) || node.parent === file || ts.isVariableDeclaration(node);
    if (declares && name !== undefined && ts.isIdentifier(name)) own.add(name.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return SOURCES.map((source, index) => {
    const known = [...used].filter((name) => !own.has(name) && namesOf(source).has(name));
    const names = known.filter(
      (name) => !SOURCES.slice(0, index).some((earlier) => namesOf(earlier).has(name)),
    );
    return names.length === 0 ? '' : `import { ${names.join(', ')} } from '${source}';\n`;
  }).join('');
}

/** Whether examples are right, as far as the compiler can tell: the messages of those that are not. */
export function typeErrors(blocks: readonly CodeBlock[], options: ts.CompilerOptions): string[] {
  const files = new Map(blocks.map(({ module }, index) => [fileOf(index), module]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? readFile(file);
  const program = ts.createProgram([...files.keys()], options, host);
  return blocks.flatMap(({ where }, index) => {
    const file = program.getSourceFile(fileOf(index))!;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${where} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
  });
}

/** The compiler options of the repository, without what concerns examples little. */
export function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  return {
    ...options,
    noUnusedLocals: false,
    noUnusedParameters: false,
    isolatedModules: false,
    verbatimModuleSyntax: false,
  };
}

/** The names that a module exports, types included. */
export function exportsOf(options: ts.CompilerOptions): (source: string) => ReadonlySet<string> {
  const file = join(root, '.tmp', 'docs', 'exports.ts');
  const text = SOURCES.map((source, index) => `import * as source${index} from '${source}';`).join('\n');
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? text : readFile(name));
  const program = ts.createProgram([file], options, host);
  const checker = program.getTypeChecker();
  const names = new Map<string, ReadonlySet<string>>();
  program.getSourceFile(file)!.forEachChild((node) => {
    if (!ts.isImportDeclaration(node)) return;
    const symbol = checker.getSymbolAtLocation(node.moduleSpecifier);
    const exported = symbol === undefined ? [] : checker.getExportsOfModule(symbol);
    names.set((node.moduleSpecifier as ts.StringLiteral).text, new Set(exported.map(({ name }) => name)));
  });
  return (source) => names.get(source)!;
}

function fileOf(index: number): string {
  return join(root, '.tmp', 'docs', `block-${index}.ts`);
}

/** The members that an interface of the library declares itself. */
export function membersOf(file: string, interfaceName: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2022);
  const found = source.statements.find(
    (node): node is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(node) && node.name.text === interfaceName,
  );
  if (found === undefined) throw new Error(`${file} declares no interface ${interfaceName}`);
  return found.members.map(({ name }) => (name as ts.Identifier).text);
}
