// Reads an application without running it: its packages, its compiler options and its sources.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installedVersion, isInRange } from '../packages.mjs';
import { readCompilerOptions, readSources } from '../sources.mjs';

const USAGE = `Usage: npx nestjs-restflow-cache doctor [--json]

Run it in the folder of the application. It reads package.json, node_modules, tsconfig.json, .swcrc and src/, runs nothing
and connects to nothing. Exit code 1 if something is wrong.`;

/**
 * @param {readonly string[]} args
 * @param {URL} cwd the folder of the application
 * @returns {Promise<number>} the exit code
 */
export async function run(args, cwd) {
  const unknown = args.find((arg) => !['--json', '--help', '-h'].includes(arg));
  if (unknown !== undefined || args.includes('--help') || args.includes('-h')) {
    if (unknown !== undefined) console.error(`Unknown option ${unknown}.\n`);
    console.log(USAGE);
    return unknown === undefined ? 0 : 1;
  }
  const report = examine(fileURLToPath(cwd), process.env, process.versions.node);
  console.log(args.includes('--json') ? JSON.stringify(report, null, 2) : asText(report));
  return report.problems.length > 0 ? 1 : 0;
}

/**
 * @param {string} folder of the application
 * @param {Record<string, string | undefined>} env
 * @param {string} node version of Node
 * @returns {{ versions: Record<string, string>, found: string[], problems: string[], warnings: string[] }}
 */
export function examine(folder, env, node) {
  const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const report = { versions: { node, [own.name]: own.version }, found: [], problems: [], warnings: [] };
  if (!isInRange(node, own.engines.node))
    report.problems.push(`Node ${node} is not supported. Install Node ${own.engines.node}.`);
  examinePackages(folder, own, report);
  examineCompiler(folder, report);
  examineSources(folder, env, report);
  return report;
}

/** Installed peers, and whether this version of the library works with them. */
function examinePackages(folder, { name, peerDependencies, peerDependenciesMeta }, { versions, problems }) {
  for (const [peer, range] of Object.entries(peerDependencies)) {
    const version = installedVersion(folder, peer);
    if (version === undefined) {
      if (!peerDependenciesMeta[peer]?.optional)
        problems.push(`${peer} is not installed. Run npm install ${peer}.`);
      continue;
    }
    versions[peer] = version;
    if (!isInRange(version, range))
      problems.push(`${name} works with ${peer} ${range}; installed is ${version}.`);
  }
}

/** Nest's decorators need these options of TypeScript, or those of SWC. */
function examineCompiler(folder, { found, problems }) {
  const { options, swc } = readCompilerOptions(folder);
  if (options !== undefined) {
    for (const name of ['experimentalDecorators', 'emitDecoratorMetadata'])
      if (options[name] !== true)
        problems.push(`tsconfig.json: ${name} is not true. Nest's decorators need it.`);
  }
  if (swc === undefined) return;
  found.push('.swcrc');
  for (const name of ['legacyDecorator', 'decoratorMetadata'])
    if (swc.jsc?.transform?.[name] !== true)
      problems.push(`.swcrc: jsc.transform.${name} is not true. Nest's decorators need it.`);
  if (swc.minify === true && swc.jsc?.keepClassNames !== true)
    problems.push(
      '.swcrc: minify without jsc.keepClassNames renames classes, by which cached methods are named.',
    );
}

/** Packages that a text in the sources needs, any one of them. */
const NEEDS = [
  [/nestjs-restflow-cache\/redis['"]/, ['ioredis'], 'nestjs-restflow-cache/redis'],
  [/nestjs-restflow-cache\/node-redis['"]/, ['redis'], 'nestjs-restflow-cache/node-redis'],
  [/nestjs-restflow-cache\/bullmq['"]/, ['bullmq'], 'nestjs-restflow-cache/bullmq'],
  [/nestjs-restflow-cache\/pg-boss['"]/, ['pg-boss'], 'nestjs-restflow-cache/pg-boss'],
  [
    /nestjs-restflow-cache\/microservices['"]/,
    ['@nestjs/microservices'],
    'nestjs-restflow-cache/microservices',
  ],
  [/nestjs-restflow-cache\/prometheus['"]/, ['prom-client'], 'nestjs-restflow-cache/prometheus'],
  [/nestjs-restflow-cache\/opentelemetry['"]/, ['@opentelemetry/api'], 'nestjs-restflow-cache/opentelemetry'],
];

const DEPLOYMENT = ['GIT_SHA', 'GIT_COMMIT', 'COMMIT_SHA', 'SOURCE_VERSION'];

function examineSources(folder, env, { versions, found, problems, warnings }) {
  const sources = readSources(folder);
  const all = sources.map(({ text }) => text).join('\n');
  const filesWith = (pattern) => sources.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
  const count = (pattern) => [...all.matchAll(pattern)].length;

  const roots = filesWith(/\bRestflowCacheModule\s*\.\s*forRoot(?:Async)?\s*\(/);
  if (sources.length === 0)
    warnings.push('No sources were found in src/. Run it in the folder of the application.');
  else if (roots.length === 0)
    problems.push(
      'No file of src/ imports the module. Write imports: [RestflowCacheModule.forRoot()] in the root module, once.',
    );
  else found.push(`RestflowCacheModule in ${roots.join(', ')}`);
  if (roots.length > 1)
    warnings.push(
      `RestflowCacheModule.forRoot() stands in ${roots.length} files: ${roots.join(', ')}. One application imports it once.`,
    );
  for (const decorator of ['CacheResponse', 'CacheResult', 'InvalidatesCache', 'InvalidatesOnEvent']) {
    const times = count(new RegExp(`@${decorator}\\s*\\(`, 'g'));
    if (times > 0) found.push(`@${decorator} on ${times} ${times === 1 ? 'method' : 'methods'}`);
  }
  for (const [pattern, packages, entry] of NEEDS) {
    if (!pattern.test(all)) continue;
    found.push(entry);
    const missing = packages.filter((name) => installedVersion(folder, name) === undefined);
    if (missing.length > 0)
      problems.push(`${entry} needs ${missing.join(', ')}. Run npm install ${missing.join(' ')}.`);
  }
  if (roots.length > 0) examineStore(all, env, { versions, found, warnings });
}

function examineStore(all, env, { versions, found, warnings }) {
  const isShared = /\b(?:redisStore|cacheManagerStore)\s*\(/.test(all);
  found.push(isShared ? 'a store that processes share' : 'a store in the memory of each process');
  if (!isShared)
    warnings.push(
      'Each process has a cache of its own. With more than one process write store: redisStore({ url }), so that all hear of changes.',
    );
  else if (!/\bversion\s*:/.test(all) && !DEPLOYMENT.some((name) => env[name]))
    warnings.push(
      'Builds share entries: no version is given. Write forRoot({ version: process.env.GIT_SHA }), or set GIT_SHA where it runs.',
    );
  if (
    versions.typeorm !== undefined &&
    /@Cache(?:Response|Result)\s*\(/.test(all) &&
    !/invalidatesOn|cacheEverything/.test(all)
  )
    warnings.push(
      'No cached method has rules: changes wait for the TTL. Write invalidatesOn: [invalidates(Entity, …)].',
    );
}

function asText({ versions, found, problems, warnings }) {
  const width = Math.max(...Object.keys(versions).map((name) => name.length));
  const lines = Object.entries(versions).map(([name, version]) => `  ${name.padEnd(width)}  ${version}`);
  const section = (title, list, mark) =>
    list.length === 0 ? [] : ['', title, ...list.map((line) => `  ${mark} ${line}`)];
  return [
    'Versions',
    ...lines,
    ...section('Found', found, '-'),
    ...section('Wrong', problems, 'x'),
    ...section('Worth a look', warnings, '!'),
    ...(problems.length + warnings.length === 0 ? ['', 'Nothing is wrong.'] : []),
  ].join('\n');
}
