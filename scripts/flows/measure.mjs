import { fork } from 'node:child_process';
import { inRoot } from '../root.mjs';
import { compiledFunctions } from './compile.mjs';
import { coverageOptions } from './coverage.mjs';
import { reportOf } from './report.mjs';

/**
 * Measures one flow: V8 coverage in one process, its calls in another, since functions that report calls are other functions.
 *
 * @param {string} name a key of `flows`
 * @param {Record<string, string>} environment the URLs of its servers
 * @returns {Promise<import('./report.mjs').FlowReport>}
 */
export async function measureFlow(name, environment = {}) {
  const functions = await compiledFunctions();
  const coverage = await resultOf(name, 'coverage', environment);
  return reportOf(functions, coverage, await resultOf(name, 'calls', environment));
}

function resultOf(name, kind, environment) {
  const child = fork(inRoot('scripts', 'flows', 'process.mjs'), [name, kind], {
    execArgv: kind === 'coverage' ? coverageOptions : [],
    timeout: 120_000,
    // The version that the library asks for.
    env: { GIT_SHA: 'flows', ...process.env, ...environment },
  });
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`The flow '${name}' ended with ${signal ?? `exit code ${code}`}.`)),
    );
  });
}
