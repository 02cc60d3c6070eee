// `npm run bench -- report`: draws the charts in docs/images from bench/results, and writes the tables between the marks in
// docs/performance.md, so that neither says anything that no result holds.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from '../scripts/root.mjs';
import { barChart } from './charts/bar-chart.mjs';

const NAMES = [
  'http',
  'http-redis',
  'http-miss',
  'library',
  'redis',
  'keys',
  'heap',
  'drop',
  'fleet',
  'flat',
];
const results = new Map(
  NAMES.map((name) => [name, inRoot('bench', 'results', `${name}.json`)])
    .filter(([, file]) => existsSync(file))
    .map(([name, file]) => [name, JSON.parse(readFileSync(file, 'utf8'))]),
);

/** Charts: which rows of which table, and what its bars are. */
const CHARTS = [
  {
    file: 'bench-http-express',
    result: 'http',
    table: 0,
    title: 'A hit over HTTP on Express',
    without: /304/,
    add: /^raw node:http$|nginx/,
  },
  {
    file: 'bench-http-fastify',
    result: 'http',
    table: 1,
    title: 'A hit over HTTP on Fastify',
    without: /304/,
    add: /^raw node:http$|nginx/,
  },
  { file: 'bench-http-redis', result: 'http-redis', table: 0, title: 'A hit over HTTP, entries in Redis' },
  { file: 'bench-library', result: 'library', table: 0, title: 'A hit in memory of a cached method' },
  { file: 'bench-redis', result: 'redis', table: 0, title: 'A hit in Redis of a cached method' },
];

const isOurs = (name) => /restflow|@CacheResult/.test(name);

function draw({ file, result: name, table, title, without, add }) {
  const result = results.get(name);
  if (result === undefined) return;
  const all = result.tables[table].rows.filter((row) => without?.test(row.name) !== true);
  if (add !== undefined) all.push(...result.tables.at(-1).rows.filter((row) => add.test(row.name)));
  const rows = all
    .filter(({ figures }) => figures.cpu !== undefined)
    .map(({ name: label, figures, note }) => ({
      name: note?.startsWith('does not store') ? `${label} (stores nothing)` : label,
      ...figures.cpu,
      isOurs: isOurs(label),
    }))
    .sort((one, other) => one.median - other.median);
  const subtitle = `${result.machine.split(',')[0]}, Node ${result.node}; lines: 95 % of the median`;
  const unit = 'µs of processor time each, shorter is better';
  mkdirSync(inRoot('docs', 'images'), { recursive: true });
  writeFileSync(inRoot('docs', 'images', `${file}.svg`), barChart({ title, subtitle, unit, rows }));
  console.log(`docs/images/${file}.svg`);
}

const number = (value) =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

function aimsTable() {
  const lines = [...results.values()].flatMap(({ name, aims }) =>
    aims.map(({ what, median, low, high, atMost, atLeast, reached }) => {
      const wanted =
        atMost !== undefined
          ? `at most ${number(atMost)}`
          : atLeast !== undefined
            ? `at least ${number(atLeast)}`
            : '';
      return `| ${what} | ${number(median)} (${number(low)}–${number(high)}) | ${wanted} | ${reached ?? 'stated'} | \`${name}\` |`;
    }),
  );
  return [
    '| | Median (95 %) | Aim | Reached | Benchmark |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}

function machines() {
  const seen = [
    ...new Set([...results.values()].map(({ machine, node, date }) => `${machine}, Node ${node}, ${date}`)),
  ];
  return `Measured on ${seen.join('; ')}.`;
}

function write(file, mark, text) {
  const path = inRoot(...file.split('/'));
  if (!existsSync(path)) return;
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const page = readFileSync(path, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no place for '${mark}'`);
  writeFileSync(path, `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`);
  console.log(file);
}

CHARTS.forEach(draw);
write('docs/performance.md', 'results', `${aimsTable()}\n\n${machines()}`);
