// `npm run bench -- ci`: compares a few ratios with bench/baseline.json, in about a minute, and fails where the median of five rounds is
// 25 % below. Ratios of processor time differ little from machine to machine; how much this one can be trusted shows a server that is
// measured against itself. `npm run bench -- ci update` writes the baseline.
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from '../scripts/root.mjs';
import { serverRows } from './http/table-of.mjs';
import { finder, libraryRows } from './rig/run.mjs';
import { median, paired } from './rig/statistics.mjs';

const ROUNDS = 5;
const TOLERANCE = 0.75;
/** A server costs as much as itself, within this share, on a machine whose figures can be trusted. */
const NOISE = 0.15;
const file = inRoot('bench', 'baseline.json');
const plan = { rounds: ROUNDS, generations: 1 };

const library = finder(
  await libraryRows(
    [
      { title: 'lru-cache get', name: 'lru-cache' },
      { title: 'freeze', name: 'restflow', isolation: 'freeze' },
      { title: 'clone', name: 'restflow', isolation: 'clone', value: 'dated' },
      { title: 'structuredClone', name: 'structuredClone', value: 'dated' },
    ],
    plan,
  ),
);
const servers = finder(
  await serverRows(
    [
      { platform: 'fastify', variant: 'restflow', name: 'Fastify hit' },
      { platform: 'fastify', variant: 'CacheInterceptor', name: 'Fastify CacheInterceptor' },
      { platform: 'express', variant: 'restflow', name: 'Express hit' },
      { platform: 'express', variant: 'CacheInterceptor', name: 'Express CacheInterceptor' },
      { platform: 'raw', variant: 'raw node:http', name: 'raw', like: 0 },
      { platform: 'raw', variant: 'raw node:http', name: 'raw again', like: 0 },
    ],
    { ...plan, seconds: 0.5 },
  ),
);

/** How many times less processor time the second takes than the first, round by round. */
const ratios = (find, first, second) => {
  const [above, below] = [first, second].map((name) => find(name).rounds.map(({ cpu }) => cpu));
  return paired(above, below);
};
const measured = {
  'lru-cache get / @CacheResult, freeze': ratios(library, 'lru-cache get', 'freeze'),
  'structuredClone / @CacheResult, clone': ratios(library, 'structuredClone', 'clone'),
  'CacheInterceptor / hit on Fastify': ratios(servers, 'Fastify CacheInterceptor', 'Fastify hit'),
  'CacheInterceptor / hit on Express': ratios(servers, 'Express CacheInterceptor', 'Express hit'),
  'node:http / hit on Fastify': ratios(servers, 'raw', 'Fastify hit'),
};

if (process.argv.includes('update')) {
  const baseline = Object.fromEntries(
    Object.entries(measured).map(([name, list]) => [name, Number(median(list).toPrecision(3))]),
  );
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
  console.log(`Wrote ${file}:`, baseline);
  process.exit();
}

const baseline = JSON.parse(readFileSync(file, 'utf8'));
const itself = ratios(servers, 'raw', 'raw again');
const isNoisy =
  Math.abs(median(itself) - 1) > NOISE || Math.max(...itself) / Math.min(...itself) > 1 + 4 * NOISE;
let below = 0;
for (const [name, list] of Object.entries(measured)) {
  const now = median(list);
  const least = baseline[name] * TOLERANCE;
  const isBelow = now < least;
  if (isBelow) below++;
  console.log(
    `${isBelow ? 'below ' : 'within'} ${name.padEnd(40)} ${now.toFixed(2)} (${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)}), ` +
      `baseline ${baseline[name]}, at least ${least.toFixed(2)}`,
  );
}
if (isNoisy)
  console.log(
    `This machine is too noisy to tell: node:http costs ${median(itself).toFixed(2)} times what it costs itself ` +
      `(${Math.min(...itself).toFixed(2)}–${Math.max(...itself).toFixed(2)}).`,
  );
process.exit(below > 0 && !isNoisy ? 1 : 0);
