// Bundles the output of tsc into dist/esm and dist/cjs. Each format has one file for each entry and one for the code that
// entries share, so every class and every module-level value exists once in it. Declarations are bundled the same way.
import { isAbsolute } from 'node:path';
import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import { entryNames } from './entries.mjs';
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
  for (const [format, own] of Object.entries({ esm: {}, cjs })) {
    const { output } = await build.write({ ...common, ...own, dir: folderOf(format), format });
    assertNamesKept(output);
  }
  await build.close();
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
      // Declarations have the syntax of ES modules in both formats.
      format: 'esm',
    });
  }
  await build.close();
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
