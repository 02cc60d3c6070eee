// `npm run test:better-sqlite3`: the specs that hold on every database, on better-sqlite3. It is no dependency of the
// project, because most machines have to compile it, for a minute. Ends with 3 where it could not be installed.
import { copyFileSync, mkdirSync } from 'node:fs';
import { ensureInstalled } from '../../scripts/install.mjs';
import { capture, inRoot } from '../../scripts/root.mjs';
import { exitWith, runTests } from '../../scripts/test.mjs';

const specs = [
  'test/typeorm/(operation-entries|operations|transactions|lookups|open-transactions).spec',
  'test/dispatchers/(durable|outbox).spec',
];
const notInstalled = 3;
const home = inRoot('.tmp', 'better-sqlite3');

/** @returns why it is not there; `undefined` when it is */
async function install() {
  mkdirSync(home, { recursive: true });
  copyFileSync(inRoot('.npmrc'), `${home}/.npmrc`);
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(inRoot('test', 'better-sqlite3', file), `${home}/${file}`);
  try {
    await ensureInstalled(home);
  } catch (error) {
    return error.message;
  }
  const open = `new (require('better-sqlite3'))(':memory:').close()`;
  const { code, output } = await capture(process.execPath, ['-e', open], { cwd: home });
  return code === 0 ? undefined : output.trim();
}

async function run() {
  const refusal = await install();
  if (refusal !== undefined) {
    console.error(
      [
        `better-sqlite3 could not be installed on this machine, its tests are left out: ${refusal}`,
        'Where there is no binary to download, npm compiles it: that takes python3, make, a C++ compiler and the headers of node.',
      ].join('\n'),
    );
    return notInstalled;
  }
  const folder = `${home}/node_modules/better-sqlite3`;
  // The names of their tests begin with the database.
  const chosen = ['--servers=', '--testNamePattern=better-sqlite3'];
  return runTests([...specs, ...chosen, ...process.argv.slice(2)], { TEST_BETTER_SQLITE3: folder });
}

await exitWith(run());
