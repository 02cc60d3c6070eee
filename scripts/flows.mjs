// `npm run flows`: which files and functions of lib/ each flow executes, as a table.
//   npm run flows -- hit      the files, functions and calls of one flow, or of several
//   npm run flows -- --json   writes all of it to .tmp/flows/flows.json as well
import { writeFileSync } from 'node:fs';
import { ensureInstalled } from './install.mjs';
import { inRoot } from './root.mjs';

const asked = process.argv.slice(2).filter((argument) => argument !== '--json');

async function main() {
  await ensureInstalled();
  const { flows } = await import('./flows/flows.mjs');
  const { measureFlow } = await import('./flows/measure.mjs');
  const { tableOf, textOf } = await import('./flows/report.mjs');
  const { startServers } = await import('../test/servers/start.mjs');

  const unknown = asked.filter((name) => !Object.hasOwn(flows, name));
  if (unknown.length > 0)
    throw new Error(`There is no flow ${unknown.join(', ')}; there are: ${Object.keys(flows).join(', ')}.`);
  const chosen = asked.length > 0 ? asked : Object.keys(flows);
  const servers = await startServers([], [...new Set(chosen.flatMap((name) => flows[name].servers))]);
  const reports = {};
  const leftOut = [];
  try {
    for (const name of chosen) {
      const isMissing = servers.leftOut.length > 0 && flows[name].servers.length > 0;
      if (isMissing) leftOut.push(name);
      else reports[name] = await measureFlow(name, servers.environment);
    }
  } finally {
    await servers.stop();
  }
  for (const name of asked.filter((one) => one in reports))
    console.log(`${textOf(`${name}: ${flows[name].title}`, reports[name])}\n`);
  console.log(tableOf(reports));
  if (process.argv.includes('--json')) {
    const file = inRoot('.tmp', 'flows', 'flows.json');
    writeFileSync(file, JSON.stringify(reports, undefined, 2));
    console.log(`\nWritten to ${file}`);
  }
  if (leftOut.length > 0)
    throw new Error(`\nNot measured: ${leftOut.join(', ')}.\n${servers.leftOut.join('\n')}`);
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
