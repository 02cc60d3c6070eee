// `npm run bench -- start [rounds]`: what the library adds to the start of an application.
//
// `import` is the time of an import after Nest's core is loaded, beside @nestjs/cache-manager: at most 2 times its time.
// `boot` is the start of an application with 200 cached handlers and 200 rules, beside the same application without the
// module: at most 1.5 times its time. Each figure is from a process of its own; rounds are interleaved. Beside the time that
// passed stands the processor time, which tells more where the machine is shared.
import { fork } from 'node:child_process';
import { median } from './rig/statistics.mjs';

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

/** What a process measured, in milliseconds. */
function measure(file, args) {
  const child = fork(new URL(`./start/${file}`, import.meta.url), args, { execArgv: [] });
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) =>
      reject(new Error(`bench/start/${file} ${args.join(' ')} ended with code ${code}`)),
    );
  });
}

const measured = {};
for (let round = -1; round < rounds; round++) {
  for (const { file, subjects } of comparisons) {
    for (const [name, args] of Object.entries(subjects)) {
      const figures = await measure(file, args);
      // The first round brings the files into the page cache.
      if (round >= 0) (measured[name] ??= []).push(figures);
    }
  }
}

const figure = (name, kind) => {
  const list = measured[name].map((one) => one[kind]);
  return {
    middle: median(list),
    text: `${median(list).toFixed(1)} ms (${Math.min(...list).toFixed(1)}–${Math.max(...list).toFixed(1)})`,
  };
};
for (const { subjects, limit } of comparisons) {
  const names = Object.keys(subjects);
  for (const name of names)
    console.log(
      `${name.padEnd(36)} ${figure(name, 'time').text}, of the processor ${figure(name, 'cpu').text}`,
    );
  const [time, cpu] = ['time', 'cpu'].map((kind) => {
    const [subject, reference] = names.map((name) => figure(name, kind).middle);
    return (subject / reference).toFixed(2);
  });
  console.log(`${'ratio of the medians'.padEnd(36)} ${time}, of the processor ${cpu}; at most ${limit}\n`);
}
