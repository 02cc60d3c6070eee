// `npm run compat`: the packed library in the applications that it promises to work in. Each fixture is copied to a
// temporary folder, gets its own dependencies and the tarball, is type-checked and compiled against what the tarball
// ships, and runs a short end-to-end check.  `npm run compat -- nest11-cjs` runs one of them.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from '../../scripts/pack.mjs';
import { capture, inRoot } from '../../scripts/root.mjs';

const library = 'nestjs-restflow-cache';
const fixtures = inRoot('test', 'compat', 'fixtures');

/** The applications: which folder holds their package.json, what they run, and on which platforms. */
const applications = [
  {
    name: 'nest11-cjs',
    source: 'blog',
    platforms: ['express', 'fastify'],
    extra: [requireChecks, commonJsBuild],
  },
  { name: 'nest12-esm', source: 'blog', platforms: ['express', 'fastify'], extra: [] },
  { name: 'bare-nest12', source: 'bare', platforms: ['express'], extra: [typesStandAlone] },
];

const node = (folder, ...args) =>
  capture(process.execPath, args, { cwd: folder, env: { ...process.env, NODE_ENV: '' } });
const tsc = (folder, ...args) => node(folder, inRoot('node_modules', 'typescript', 'bin', 'tsc'), ...args);

/** Copies the fixture and installs its dependencies and the tarball. */
async function prepare({ name, source }, folder, tarball) {
  mkdirSync(join(folder, 'src'), { recursive: true });
  cpSync(join(fixtures, name, 'package.json'), join(folder, 'package.json'));
  cpSync(join(fixtures, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  cpSync(join(fixtures, 'src', 'serve.ts'), join(folder, 'src', 'serve.ts'));
  cpSync(join(fixtures, 'src', source), join(folder, 'src', source), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  manifest.dependencies[library] = `file:${tarball}`;
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const flags = '--no-audit --no-fund --no-package-lock --prefer-offline --ignore-scripts';
  return capture(`npm install ${flags}`, [], { cwd: folder, shell: true });
}

/** Which versions of the peers the fixture got. */
function versions(folder) {
  const read = (name) => {
    const path = join(folder, 'node_modules', name, 'package.json');
    return existsSync(path) ? [`${name} ${JSON.parse(readFileSync(path, 'utf8')).version}`] : [];
  };
  return ['@nestjs/core', 'typeorm'].flatMap(read).join(', ');
}

/** A CommonJS application gets the library by `require`; Jest, which knows no module-sync, gets dist/cjs: the same API. */
function requireChecks(folder) {
  const script = `
    const assert = require('node:assert/strict');
    const api = require('${library}');
    const cjs = require('./node_modules/${library}/dist/cjs/index.js');
    assert.ok(Object.keys(api).length > 0);
    assert.deepEqual(Object.keys(cjs).sort(), Object.keys(api).sort());
    import('${library}').then((esm) => assert.equal(esm.CacheService, api.CacheService, 'two copies of the library'));
  `;
  return [{ name: 'require', run: () => node(folder, '-e', script) }];
}

/** What loads no ES module by `require` gets dist/cjs: the application runs on it, from end to end. */
function commonJsBuild(folder) {
  const flag = '--no-experimental-require-module';
  const path = `require.resolve('${library}').replaceAll('\\\\', '/')`;
  const resolved = `require('node:assert').match(${path}, /dist\\/cjs\\/index.js$/)`;
  return [
    { name: 'dist/cjs is required', run: () => node(folder, flag, '-e', resolved) },
    ...['express', 'fastify'].map((platform) => ({
      name: `dist/cjs on ${platform}`,
      run: () => node(folder, flag, join('dist', 'blog', 'main.js'), platform),
    })),
  ];
}

/** The declarations of the main entry need no optional peer either, and are right under the strictest of options. */
function typesStandAlone(folder) {
  const run = async () => {
    const strictest = [
      '--skipLibCheck',
      'false',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
    ];
    const { output } = await tsc(folder, '--noEmit', ...strictest, '--pretty', 'false');
    const ours = output
      .split('\n')
      .filter((line) => /^(src|node_modules\/nestjs-restflow-cache)\//.test(line));
    return { code: ours.length === 0 ? 0 : 1, output: ours.join('\n') };
  };
  return [{ name: 'declarations', run }];
}

async function check(application, tarball, temporary) {
  const folder = join(temporary, application.name);
  const steps = [
    { name: 'install', run: () => prepare(application, folder, tarball), needed: true },
    { name: 'compile', run: () => tsc(folder), needed: true },
    ...application.extra.flatMap((more) => more(folder)),
    ...application.platforms.map((platform) => ({
      name: platform,
      run: () => node(folder, join('dist', application.source, 'main.js'), platform),
    })),
  ];
  let failed = 0;
  for (const { name, run, needed } of steps) {
    const { code, output } = await run();
    if (code === 0) {
      console.log(`passed ${application.name} ${name}${name === 'install' ? ` (${versions(folder)})` : ''}`);
      continue;
    }
    console.error(`FAILED ${application.name} ${name}\n${output.trim()}`);
    failed += 1;
    if (needed) break;
  }
  return failed;
}

const asked = process.argv.slice(2);
const chosen = applications.filter(({ name }) => asked.length === 0 || asked.includes(name));
const temporary = mkdtempSync(join(tmpdir(), 'restflow-compat-'));
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));

let failed = 0;
try {
  const tarball = await pack(temporary);
  // One after the other: each of them keeps both cores busy while it installs and compiles.
  for (const application of chosen) failed += await check(application, tarball, temporary);
} catch (error) {
  console.error(`FAILED ${error.message}`);
  failed += 1;
}
process.exit(failed === 0 && chosen.length > 0 ? 0 : 1);
