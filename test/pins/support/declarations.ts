import { join } from 'node:path';
import ts from 'typescript';

/** A program of the declarations (`.d.ts`) that the compiler writes for the entries, kept in memory. */
export function declarationsOf(
  root: string,
  entries: readonly string[],
): { program: ts.Program; folder: string } {
  // Nothing is written there: a place below the root finds the same node_modules.
  const folder = join(root, '.tmp', 'declarations');
  const { config } = ts.readConfigFile(join(root, 'tsconfig.build.json'), ts.sys.readFile);
  const options: ts.CompilerOptions = {
    ...ts.parseJsonConfigFileContent(config, ts.sys, root).options,
    outDir: folder,
    declaration: true,
    emitDeclarationOnly: true,
    sourceMap: false,
    inlineSources: false,
    removeComments: true,
  };
  const sources = ts.createProgram(
    entries.map((entry) => join(root, 'lib', `${entry}.ts`)),
    options,
  );
  const written = new Map<string, string>();
  const { diagnostics } = sources.emit(undefined, (file, text) => written.set(file, text), undefined, true);
  if (diagnostics.length > 0)
    throw new Error(ts.formatDiagnostics(diagnostics, ts.createCompilerHost(options)));

  const host = ts.createCompilerHost(options);
  const program = ts.createProgram(
    entries.map((entry) => join(folder, `${entry}.d.ts`)),
    options,
    {
      ...host,
      fileExists: (file) => written.has(file) || host.fileExists(file),
      readFile: (file) => written.get(file) ?? host.readFile(file),
      directoryExists: undefined,
      getSourceFile: (file, version) => {
        const text = written.get(file);
        if (text === undefined) return sources.getSourceFile(file) ?? host.getSourceFile(file, version);
        return ts.createSourceFile(file, text, version, true);
      },
    },
  );
  return { program, folder };
}
