// Bundles the output of tsc into dist/esm and dist/cjs. Each format has one file for each entry; the code that entries share
// stands in dist/cjs for both, so every class and every module-level value exists once. Declarations are bundled in each format.
import { isAbsolute } from 'node:path';
import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import ts from 'typescript';
import { entryNames } from './entries.mjs';
import { shareOneCopy } from './one-copy.mjs';
import { inRoot } from './root.mjs';

/** Packages stay imports, except tslib: the bundle holds the three small functions that it uses. */
const isExternal = (id) => !id.startsWith('.') && !isAbsolute(id) && id !== 'tslib';

/** A module that two entries share has shared imports only, so this chunk never imports an entry. */
const codeSplitting = { groups: [{ name: 'shared', minShareCount: 2 }] };

const entriesOf = (folder, extension) =>
  Object.fromEntries(entryNames().map((name) => [name, inRoot(folder, `${name}${extension}`)]));

/**
 * @param {string} compiled the folder of tsc's output: ES modules and declarations
 * @param {(format: 'esm' | 'cjs') => string} folderOf the folder to write a format to
 */
export async function bundle(compiled, folderOf) {
  await Promise.all([bundleCode(compiled, folderOf), bundleTypes(compiled, folderOf)]);
}

async function bundleCode(compiled, folderOf) {
  const build = await rolldown({
    input: entriesOf(compiled, '.js'),
    external: isExternal,
    platform: 'node',
    // `sideEffects: false` of package.json is for applications that bundle the package. Here each module runs as tsc wrote it.
    treeshake: { moduleSideEffects: true },
    experimental: { attachDebugInfo: 'none' },
  });
  const common = {
    codeSplitting,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
    comments: false,
    // One character beyond Latin-1 makes V8 hold a whole file in two bytes each.
    charset: 'ascii',
    // A tenth smaller, and the names of everything as they are: stack traces stay readable.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  };
  // Jest loads dist/cjs, where it refuses import().
  const cjs = { strict: true, esModule: true, dynamicImportInCjs: false };
  const written = {};
  for (const [format, own] of Object.entries({ esm: {}, cjs })) {
    const { output } = await build.write({ ...common, ...own, dir: folderOf(format), format });
    assertNamesKept(output);
    written[format] = output;
  }
  await build.close();
  shareOneCopy(written.esm, folderOf);
}

async function bundleTypes(compiled, folderOf) {
  const build = await rolldown({
    input: entriesOf(compiled, '.d.ts'),
    external: isExternal,
    plugins: [dts({ dtsInput: true, tsconfig: false })],
    // A busy machine is no finding about the plugin.
    checks: { bundlerTimings: false },
    experimental: { attachDebugInfo: 'none' },
  });
  for (const format of ['esm', 'cjs']) {
    await build.write({
      codeSplitting,
      // The plugin names entries `index.d`, but leaves the names of chunks as they are.
      entryFileNames: '[name].ts',
      chunkFileNames: '[name].d.ts',
      dir: folderOf(format),
      plugins: [withoutInternalComments],
      // Declarations have the syntax of ES modules in both formats.
      format: 'esm',
    });
  }
  await build.close();
}

/** Comments on what no entry exports help nobody: their reader has the sources. */
const withoutInternalComments = {
  name: 'without-internal-comments',
  generateBundle(_, files) {
    const chunks = Object.values(files).filter(({ type }) => type === 'chunk');
    const entries = chunks.filter(({ isEntry }) => isEntry);
    for (const chunk of chunks)
      if (!chunk.isEntry) chunk.code = withComments(chunk, exportedFrom(chunk, entries));
  },
};

const parse = ({ fileName, code }) => ts.createSourceFile(fileName, code, ts.ScriptTarget.Latest, true);

/** Names, as the chunk exports them, of what an entry exports. */
function exportedFrom({ fileName }, entries) {
  const found = new Set();
  const stem = `./${fileName.replace(/\.d\.ts$/, '')}.js`;
  for (const entry of entries) {
    const { statements } = parse(entry);
    const exported = new Set(
      statements
        .filter((one) => ts.isExportDeclaration(one) && one.exportClause)
        .flatMap(({ exportClause }) =>
          exportClause.elements.map((one) => (one.propertyName ?? one.name).text),
        ),
    );
    for (const statement of statements) {
      if (!ts.isImportDeclaration(statement) || statement.moduleSpecifier.text !== stem) continue;
      for (const { propertyName, name } of statement.importClause.namedBindings.elements)
        if (exported.has(name.text)) found.add((propertyName ?? name).text);
    }
  }
  return found;
}

function withComments(chunk, exported) {
  const { statements } = parse(chunk);
  const own = new Set(
    statements
      .filter((one) => ts.isExportDeclaration(one))
      .flatMap(({ exportClause }) => exportClause.elements)
      .filter(({ name }) => exported.has(name.text))
      .map(({ propertyName, name }) => (propertyName ?? name).text),
  );
  const kept = (one) => own.has((one.name ?? one.declarationList?.declarations[0].name)?.text);
  return statements
    .map((one) => (kept(one) ? one.getFullText() : one.getFullText().replace(/\s*\/\*\*[^]*?\*\//g, '')))
    .join('');
}

/** Nest and our error messages read the names of classes at run time. */
function assertNamesKept(chunks) {
  const renamed = chunks.flatMap(
    ({ code = '' }) => code.match(/\b\w+\$\d+ = class\b|\bclass \w+\$\d+/g) ?? [],
  );
  if (renamed.length === 0) return;
  throw new Error(
    `Two classes of lib/ have the same name, so the bundle renamed one: ${renamed.join(', ')}. Give them different names.`,
  );
}
