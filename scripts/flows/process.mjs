// One flow in a process of its own: node scripts/flows/process.mjs <flow> coverage|calls. Sends its result to the parent.
import 'reflect-metadata';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { plainFolder, tracedFolder } from './compile.mjs';
import { startCoverage } from './coverage.mjs';
import { flows } from './flows.mjs';
import { recordCalls } from './recorder.mjs';
import { controlTimers, quietTimers } from './timers.mjs';

const [name, kind] = process.argv.slice(2);
const folder = kind === 'calls' ? tracedFolder : plainFolder;

const measure = kind === 'calls' ? recordCalls : await startCoverage(`${pathToFileURL(folder).href}/`);
controlTimers();
const load = (entry) => import(pathToFileURL(join(folder, `${entry}.js`)).href);
const flow = await flows[name].start(load, process.env);
await flow.warmUp();
await quietTimers();
const result = await measure(() => flow.run());
await flow.close();
process.send(result, () => process.exit());
