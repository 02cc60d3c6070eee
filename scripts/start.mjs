// `npm start`: installs what is missing, builds the library and runs a sample through the Nest CLI.
// `npm start -- 02-something` runs another one.
// One with a sample.json is several processes, and has the servers that it names brought up.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { ensureInstalled } from './install.mjs';
import { isFresh } from './newest.mjs';
import { runProcesses } from './processes.mjs';
import { inRoot, run } from './root.mjs';

const [sample = '01-quickstart', ...rest] = process.argv.slice(2);

async function start() {
  if (!existsSync(inRoot('sample', sample))) {
    const known = readdirSync(inRoot('sample')).filter((name) => /^\d/.test(name));
    throw new Error(`There is no sample '${sample}'; there are: ${known.join(', ')}.`);
  }
  await ensureInstalled();
  const built = await run(process.execPath, [inRoot('scripts', 'build.mjs'), '--if-stale']);
  if (built !== 0) return built;
  const nest = inRoot('node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const plan = inRoot('sample', sample, 'sample.json');
  if (existsSync(plan)) {
    const code = await buildSample(nest);
    return code === 0 ? runProcesses(sample, JSON.parse(readFileSync(plan, 'utf8'))) : code;
  }
  // A shell between the CLI and the application would keep signals to itself. Without one the CLI cannot run what is in a
  // folder with a space in its name.
  const shell = inRoot().includes(' ') ? [] : ['--no-shell'];
  return run(process.execPath, [nest, 'start', sample, ...shell, ...rest], { stopsWithUs: true });
}

/** Does nothing where the sample was built, and neither it nor the library is newer. */
async function buildSample(nest) {
  const stamp = inRoot('sample', sample, 'dist', '.built');
  const sources = [
    inRoot('dist', 'cjs', 'package.json'),
    ...['src', 'tsconfig.json'].map((path) => inRoot('sample', sample, path)),
  ];
  if (isFresh(stamp, sources)) return 0;
  const code = await run(process.execPath, [nest, 'build', sample, ...rest]);
  if (code === 0) writeFileSync(stamp, '');
  return code;
}

start().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
