'use strict';
// `nest add nestjs-restflow-cache`. A rule is a function of the tree, so this needs none of the packages of schematics.

/** What each store adds: packages, imports, and how it is written. */
const STORES = {
  memory: { packages: {}, imports: [], option: '' },
  redis: {
    packages: { ioredis: '^5.8.0' },
    imports: [`import { redisStore } from 'nestjs-restflow-cache/redis';`],
    option: `store: redisStore({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }), `,
  },
  'node-redis': {
    packages: { redis: '^5.8.0' },
    imports: [
      `import { redisStore } from 'nestjs-restflow-cache/node-redis';`,
      `import { createClient } from 'redis';`,
    ],
    option: `store: redisStore({ client: createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }) }), `,
  },
};

/** Imports the module in the root module. Run again, it changes nothing. */
exports.nestAdd = function nestAdd(options) {
  const { store = 'memory', dashboard = true, module = 'src/app.module.ts', skipInstall = false } = options;
  const chosen = STORES[store];
  if (chosen === undefined)
    throw new Error(`Unknown store '${store}'. Write --store=${Object.keys(STORES).join(', or --store=')}.`);
  return (tree, context) => {
    const source = tree.read(module)?.toString('utf8');
    if (source === undefined)
      throw new Error(`${module} does not exist. Write --module=<the file of your root module>.`);
    const edited = addModules(source, chosen, dashboard, module);
    if (edited === source) context.logger.info(`${module} has RestflowCacheModule already.`);
    else tree.overwrite(module, edited);
    if (addPackages(tree, chosen.packages) && !skipInstall) install(context);
    return tree;
  };
};

function addModules(source, store, dashboard, file) {
  const lines = [];
  const imports = [];
  if (!/\bRestflowCacheModule\b/.test(source)) {
    lines.push(`import { RestflowCacheModule } from 'nestjs-restflow-cache';`, ...store.imports);
    imports.push(`RestflowCacheModule.forRoot({ ${store.option}setCacheHeaders: true })`);
  }
  if (dashboard && !/\bRestflowDashboardModule\b/.test(source)) {
    lines.push(`import { RestflowDashboardModule } from 'nestjs-restflow-cache/dashboard';`);
    // Without a guard the module boots in development only.
    imports.push(
      `...(process.env.NODE_ENV === 'development' ? [RestflowDashboardModule.forRoot({ path: '/cache' })] : [])`,
    );
  }
  return imports.length === 0 ? source : addImports(addToModule(source, imports, file), lines);
}

/** Adds to the list `imports` of the first @Module() of a file. */
function addToModule(source, added, file) {
  const at = /@Module\(\s*\{/.exec(source);
  if (at === null) throw unknownShape(file, added);
  const start = at.index + at[0].length;
  const list = /\bimports\s*:\s*\[/.exec(source.slice(start));
  const text = added.map((line) => `\n    ${line},`).join('');
  if (list === null) return `${source.slice(0, start)}\n  imports: [${text}\n  ],${source.slice(start)}`;
  const inside = start + list.index + list[0].length;
  const rest = source.slice(inside);
  const isEmpty = /^\s*\]/.test(rest);
  if (isEmpty) return `${source.slice(0, inside)}${text}\n  ${rest.trimStart()}`;
  const isInline = !/^\s*\n/.test(rest);
  return `${source.slice(0, inside)}${text}${isInline ? `\n    ${rest}` : rest}`;
}

function unknownShape(file, added) {
  return new Error(
    `${file} has no @Module({ … }). Add to the imports of your root module: ${added.join(', ')}. Or write --module=<its file>.`,
  );
}

/** Behind the last import of the file. */
function addImports(source, lines) {
  const last = [...source.matchAll(/^import\b[\s\S]*?from\s*['"][^'"]+['"];?[^\S\n]*$/gm)].at(-1);
  const end = last === undefined ? 0 : last.index + last[0].length;
  const text = lines.join('\n');
  return end === 0 ? `${text}\n${source}` : `${source.slice(0, end)}\n${text}${source.slice(end)}`;
}

/** @returns true if package.json lacked one of them */
function addPackages(tree, packages) {
  const text = tree.read('package.json')?.toString('utf8');
  if (text === undefined) return false;
  const manifest = JSON.parse(text);
  const missing = Object.entries(packages).filter(
    ([name]) => !manifest.dependencies?.[name] && !manifest.devDependencies?.[name],
  );
  if (missing.length === 0) return false;
  const all = { ...manifest.dependencies, ...Object.fromEntries(missing) };
  manifest.dependencies = Object.fromEntries(
    Object.entries(all).sort(([one], [other]) => (one < other ? -1 : 1)),
  );
  tree.overwrite('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
  return true;
}

/** The task is in a package of the Nest CLI, which need not lie where this file can load it. */
function install(context) {
  try {
    const { NodePackageInstallTask } = require('@angular-devkit/schematics/tasks');
    context.addTask(new NodePackageInstallTask());
  } catch {
    context.logger.warn('package.json has new dependencies. Run npm install.');
  }
}
