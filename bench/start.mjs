// `npm run bench -- start [rounds]`: what the library adds to the start of an application.
//
// `import` is the time of an import after Nest's core is loaded, beside @nestjs/cache-manager: at most 2 times its time.
// `boot` is the start of an application with 200 cached handlers and 200 rules, beside the same application without the
// module: at most 1.5 times its time. Each figure is from a process of its own; rounds are interleaved.
import { fork } from 'node:child_process';
import { ratio } from './rounds.mjs';
import { median } from './http/table.mjs';

const [rounds = 7] = process.argv.slice(2).map(Number);

const ours = new URL('../dist/esm/index.js', import.meta.url).href;
const comparisons = [
  {
    file: 'import.mjs',
    limit: 2,
    subjects: {
      'import nestjs-restflow-cache': [ours],
      'import @nestjs/cache-manager': ['@nestjs/cache-manager'],
    },
  },
  ...['express', 'fastify'].map((platform) => ({
    file: 'boot.mjs',
    limit: 1.5,
    subjects: {
      [`boot on ${platform} with the module`]: [platform, 'with'],
      [`boot on ${platform} without the module`]: [platform, 'without'],
    },
  })),
];

/** Milliseconds that a process measured. */
function measure(file, args) {
  const child = fork(new URL(`./start/${file}`, import.meta.url), args, { execArgv: [] });
  return new Promise((resolve, reject) => {
    child.once('message', ({ milliseconds }) => resolve(milliseconds));
    child.once('exit', (code) =>
      reject(new Error(`bench/start/${file} ${args.join(' ')} ended with code ${code}`)),
    );
  });
}

const times = {};
for (let round = -1; round < rounds; round++) {
  for (const { file, subjects } of comparisons) {
    for (const [name, args] of Object.entries(subjects)) {
      const milliseconds = await measure(file, args);
      // The first round brings the files into the page cache.
      if (round >= 0) (times[name] ??= []).push(milliseconds);
    }
  }
}

for (const { subjects, limit } of comparisons) {
  const [subject, reference] = Object.keys(subjects);
  for (const name of [subject, reference]) {
    const spread = `${Math.min(...times[name]).toFixed(1)}–${Math.max(...times[name]).toFixed(1)}`;
    console.log(`${name.padEnd(36)} ${median(times[name]).toFixed(1).padStart(7)} ms  (${spread})`);
  }
  const ofMedians = median(times[subject]) / median(times[reference]);
  console.log(
    `${'ratio of the medians'.padEnd(36)} ${ofMedians.toFixed(2).padStart(7)}     at most ${limit}; by rounds ${ratio(times, subject, reference)}\n`,
  );
}
