// Checks of the unpacked tarball: its size, and that bundling changed nothing that code can read at run time.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { entryNames } from './entries.mjs';
import { importsOf } from './rooms.mjs';
import { capture, inRoot } from './root.mjs';

/** Without assets, as the bytes. */
const MAX_FILES = 70;
const MAX_BYTES = 2_000_000;
/** Files that are shipped as they are: the page of the dashboard, the dashboard for Grafana and its alerts. */
const MAX_ASSET_BYTES = 300_000;

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const verdict = (problems, note = '') => ({
  code: problems.length === 0 ? 0 : 1,
  output: problems.join('\n'),
  note,
});

/** Few files and bytes; a source map would hold the sources once more. */
export function checkSize(unpacked) {
  const files = filesOf(unpacked);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const assets = files.filter((file) => /^(?:dashboards|dist\/assets)\//.test(relative(unpacked, file)));
  const assetBytes = assets.reduce((sum, file) => sum + statSync(file).size, 0);
  const problems = files.filter((file) => file.endsWith('.map')).map((file) => `${file} is a source map`);
  if (files.length - assets.length > MAX_FILES)
    problems.push(`${files.length - assets.length} files without assets: at most ${MAX_FILES}`);
  if (bytes - assetBytes > MAX_BYTES)
    problems.push(`${bytes - assetBytes} bytes without assets: at most ${MAX_BYTES}`);
  if (assetBytes > MAX_ASSET_BYTES)
    problems.push(`${assetBytes} bytes of assets: at most ${MAX_ASSET_BYTES}`);
  return verdict(
    problems,
    `${files.length} files, ${(bytes / 1e6).toFixed(2)} MB, ${(assetBytes / 1e3).toFixed()} kB of them assets`,
  );
}

async function probe(how, folder) {
  const { code, output } = await capture(process.execPath, [
    '--no-warnings',
    inRoot('scripts', 'package-probe.mjs'),
    how,
    folder,
    ...entryNames(),
  ]);
  if (code !== 0) throw new Error(`The entries of ${folder} cannot be loaded:\n${output}`);
  return JSON.parse(output.trim().split('\n').at(-1));
}

/** Exports, the names of functions and members, and the types that decorators record are those that tsc wrote. */
export async function checkNames(unpacked, compiled) {
  const wanted = await probe('import', compiled);
  const problems = [];
  for (const [format, how] of Object.entries({ esm: 'import', cjs: 'require' })) {
    const found = await probe(how, join(unpacked, 'dist', format));
    for (const entry of entryNames()) {
      const [own, other] = [wanted.exported[entry], found.exported[entry]];
      for (const name of new Set([...Object.keys(own), ...Object.keys(other)])) {
        if (own[name] !== other[name])
          problems.push(`${format} ${entry}: ${name} is ${other[name]}, and in tsc's output ${own[name]}`);
      }
    }
    for (const line of differences(wanted.recorded, found.recorded)) problems.push(`${format}: ${line}`);
  }
  const count = Object.values(wanted.exported).reduce((sum, entry) => sum + Object.keys(entry).length, 0);
  return verdict(problems, `${count} exports, ${wanted.recorded.length} recorded types, in both formats`);
}

function differences(wanted, found) {
  const count = (list, line) => list.filter((one) => one === line).length;
  return [...new Set([...wanted, ...found])]
    .filter((line) => count(wanted, line) !== count(found, line))
    .map((line) => `${line}: ${count(found, line)} times, and in tsc's output ${count(wanted, line)}`);
}

/** The modules that the entries load, also those that they load late. */
function modulesOf(folder) {
  const modules = new Map(entryNames().map((name) => [join(folder, `${name}.js`), '']));
  for (const file of modules.keys()) {
    const source = readFileSync(file, 'utf8');
    modules.set(file, source);
    for (const { specifier } of importsOf(file, source)) {
      const target = join(dirname(file), specifier);
      if (specifier.startsWith('.') && !modules.has(target)) modules.set(target, '');
    }
  }
  return modules;
}

/** Classes, other values that a module makes when it is loaded, and variables that it changes later, as `kind name`. */
function singletonsOf(folder) {
  const found = [];
  for (const [file, source] of modulesOf(folder)) {
    for (const statement of ts.createSourceFile(file, source, ts.ScriptTarget.Latest).statements) {
      if (ts.isClassDeclaration(statement)) found.push(`class ${nameOf(statement)}`);
      if (!ts.isVariableStatement(statement)) continue;
      const isConst = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
      for (const declaration of statement.declarationList.declarations) {
        const kind = kindOf(declaration.initializer, isConst);
        if (kind !== undefined) found.push(`${kind} ${nameOf(declaration)}`);
      }
    }
  }
  // tsc and the bundler have variables of their own, which begin so.
  return found.filter((line) => !line.includes(' _')).sort();
}

/** Without the number that a bundler adds where two modules use one name. */
const nameOf = ({ name }) => name.text.replace(/\$\d+$/, '');

function kindOf(initializer, isConst) {
  if (initializer === undefined) return 'variable';
  if (ts.isClassExpression(initializer)) return 'class';
  if (ts.isNewExpression(initializer)) return calledName(initializer.expression);
  if (ts.isCallExpression(initializer)) {
    const called = calledName(initializer.expression);
    if (called === 'require') return undefined;
    if (called === 'Symbol' || called === 'channel') return called;
  }
  return isConst || ts.isIdentifier(initializer) ? undefined : 'variable';
}

/** `channel` for `channel(…)` and for what CommonJS makes of it, `(0, node_diagnostics_channel.channel)(…)`. */
function calledName(expression) {
  if (ts.isParenthesizedExpression(expression)) return calledName(expression.expression);
  if (ts.isBinaryExpression(expression)) return calledName(expression.right);
  if (!ts.isPropertyAccessExpression(expression)) return expression.text;
  return expression.name.text === 'for' ? calledName(expression.expression) : expression.name.text;
}

/** Sets and maps of constants are as good twice; the identity of these matters. */
const isListed = (line) => /^(?:variable|Symbol|channel|Weak\w+|AsyncLocalStorage) /.test(line);

/** Each class, symbol, WeakMap, packer or other state of a module is once in the files of a format, as in those of tsc. */
export function checkSingletons(unpacked, compiled) {
  const wanted = singletonsOf(compiled);
  const problems = ['esm', 'cjs'].flatMap((format) =>
    differences(wanted, singletonsOf(join(unpacked, 'dist', format))).map((line) => `${format}: ${line}`),
  );
  const count = wanted.filter((line) => line.startsWith('class ')).length;
  return verdict(problems, `${count} classes, ${wanted.filter(isListed).join(', ')}`);
}

/** An application that imports an entry, and a library that requires it, share all that the entry exports. */
export async function checkIdentity(folder, name) {
  const script = `
    import assert from 'node:assert/strict';
    import { createRequire } from 'node:module';
    import { basename } from 'node:path';
    const require = createRequire(process.cwd() + '/');
    for (const entry of ${JSON.stringify(entryNames())}) {
      const path = entry === 'index' ? '${name}' : '${name}/' + entry;
      const [imported, required] = [await import(path), require(path)];
      assert.ok(Object.keys(imported).length > 0, path);
      for (const key of Object.keys(imported)) assert.equal(imported[key], required[key], path + ': two copies of ' + key);
    }
    const copies = Object.keys(require.cache).filter((file) => /nestjs-restflow-cache.dist.cjs/.test(file));
    assert.deepEqual(copies.filter((file) => ${JSON.stringify(entryNames())}.includes(basename(file, '.js'))), []);
    process.exit();`;
  const { code, output } = await capture(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', script],
    {
      cwd: folder,
    },
  );
  return { code, output };
}

/** Jest, which runs ES modules but does not require them before Node 24.9, boots an application with the module. */
export async function checkJest(folder, name) {
  const test = `
    import { Module } from '@nestjs/common';
    import { NestFactory } from '@nestjs/core';
    import { CacheService, RestflowCacheModule } from '${name}';
    test('an application boots', async () => {
      class AppModule {}
      Module({ imports: [RestflowCacheModule.forRoot()] })(AppModule);
      const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
      expect(await app.get(CacheService).getOrSet('key', () => 1, { ttl: 60 })).toBe(1);
      await app.close();
    });`;
  writeFileSync(join(folder, 'boot.test.mjs'), test);
  const config = JSON.stringify({ rootDir: folder, testMatch: ['**/*.test.mjs'], transform: {} });
  const jest = inRoot('node_modules', 'jest', 'bin', 'jest.js');
  return capture(process.execPath, ['--experimental-vm-modules', '--no-warnings', jest, '--config', config], {
    cwd: folder,
  });
}

/** Everything that an import of the main entry loads is needed by every application; the rest is loaded when it is used. */
export function checkImports(unpacked, manifest) {
  const needed = Object.keys(manifest.peerDependencies).filter(
    (name) => !manifest.peerDependenciesMeta[name],
  );
  const allowed = [...needed, 'lru-cache'];
  const folder = join(unpacked, 'dist', 'esm');
  const problems = [];
  const files = new Set([join(folder, 'index.js')]);
  for (const file of files) {
    const { statements } = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
    for (const specifier of statements.flatMap((one) => one.moduleSpecifier?.text ?? [])) {
      if (specifier.startsWith('.')) files.add(join(folder, specifier));
      else if (!specifier.startsWith('node:') && !allowed.includes(specifier))
        problems.push(`${relative(unpacked, file)} imports ${specifier}, which not every application needs`);
    }
  }
  return verdict(problems, allowed.join(', '));
}
