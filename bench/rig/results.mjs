import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { capture, inRoot } from '../../scripts/root.mjs';
import { paired, summary } from './statistics.mjs';

/** Packages whose versions stand in every result, from the folder that the benchmarks load them from. */
const PACKAGES = [
  '@nestjs/core',
  '@nestjs/cache-manager',
  'express',
  'fastify',
  'lru-cache',
  'msgpackr',
  'ioredis',
  'bentocache',
  'cache-manager',
  'cacheable',
  'async-cache-dedupe',
  '@epic-web/cachified',
  '@fastify/caching',
  '@keyv/redis',
];

function versionsOf(names) {
  const roots = [inRoot('bench', 'x.js'), inRoot('x.js')].map((path) => createRequire(path));
  const found = {};
  for (const name of names) {
    for (const require of roots) {
      const folder = require.resolve
        .paths(name)
        .map((path) => `${path}/${name}/package.json`)
        .find((path) => readable(path));
      if (folder === undefined) continue;
      found[name] = JSON.parse(readFileSync(folder, 'utf8')).version;
      break;
    }
  }
  return found;
}

function readable(path) {
  try {
    return readFileSync(path) && true;
  } catch {
    return false;
  }
}

async function commitOf() {
  const head = await capture('git', ['rev-parse', '--short', 'HEAD']);
  if (head.code !== 0) return 'unknown';
  const changed = await capture('git', ['status', '--porcelain', '--', 'lib']);
  return head.output.trim() + (changed.output.trim() === '' ? '' : ' and changes');
}

async function surroundings() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: await commitOf(),
    machine: `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release()} ${arch()}`,
    node: process.version,
    // Above the number of cores other work ran beside the benchmark.
    load: Math.round(loadavg()[0]),
    versions: versionsOf(PACKAGES),
  };
}

/**
 * One subject of a table: its figures, each a summary of its rounds.
 * @param {Record<string, number>[]} rounds
 */
export function row(name, rounds, { note } = {}) {
  const figures = {};
  for (const figure of Object.keys(rounds[0] ?? {}))
    figures[figure] = summary(rounds.map((round) => round[figure]));
  return { name, figures, ...(note !== undefined && { note }), rounds };
}

/**
 * How many times better one subject is than another, as a row of the aims.
 * @param {object} aim
 * @param {string} aim.what
 * @param {number} [aim.atLeast] of `over / of`, for costs: how many times less `of` costs than `over`
 * @param {number} [aim.atMost] of `of / over`
 */
export function aim({ what, of, over, figure = 'cpu', atLeast, atMost }) {
  const [mine, other] = [of, over].map((one) => one.rounds.map((round) => round[figure]));
  const ratios = atMost === undefined ? paired(other, mine) : paired(mine, other);
  const result = summary(ratios);
  const limit = atMost !== undefined ? { atMost } : atLeast !== undefined ? { atLeast } : {};
  return { what, of: of.name, over: over.name, figure, ...result, ...limit, ...verdict(result, limit) };
}

/** An aim of one figure alone. */
export function limit({ what, of, figure, atMost, atLeast }) {
  const result = summary(of.rounds.map((round) => round[figure]));
  const bounds = atMost !== undefined ? { atMost } : atLeast !== undefined ? { atLeast } : {};
  return { what, of: of.name, figure, ...result, ...bounds, ...verdict(result, bounds) };
}

/** Reached is what the worse bound of the interval reaches; what only the median reaches is `near`. */
function verdict({ median, low, high }, { atLeast, atMost }) {
  if (atLeast === undefined && atMost === undefined) return {};
  const holds = (worse) => (atMost === undefined ? worse >= atLeast : worse <= atMost);
  const reached = holds(atMost === undefined ? low : high) ? 'yes' : holds(median) ? 'median only' : 'no';
  return { reached };
}

const units = {
  cpu: 'µs CPU',
  time: 'µs',
  rate: '/s',
  heap: '× stored bytes',
  rss: '× stored bytes (RSS)',
  hits: '% hits',
  writes: '% writes',
  stored: 'bytes of head and body',
  estimate: '× stored bytes, as the store counts',
};

const number = (value) =>
  value >= 1000
    ? Math.round(value).toLocaleString('en')
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);

const spread = ({ median, low, high }) => `${number(median)} (${number(low)}–${number(high)})`;

/** Prints a result as tables. */
export function print({ title, tables, aims, commit, machine, node }) {
  console.log(`\n## ${title}\n${machine}; Node ${node}; commit ${commit}`);
  for (const { title: heading, rows, first } of tables) {
    const shown = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
    const reference = rows.find(({ name }) => name === first);
    const lines = rows.map(({ name, figures, note, rounds }) => [
      name,
      ...shown.map((figure) => (figures[figure] ? spread(figures[figure]) : '')),
      reference === undefined || reference.name === name || rounds.length === 0
        ? ''
        : `${number(
            summary(
              paired(
                rounds.map((r) => r[shown[0]]),
                reference.rounds.map((r) => r[shown[0]]),
              ),
            ).median,
          )}×`,
      note ?? '',
    ]);
    const head = [
      heading,
      ...shown.map((figure) => units[figure] ?? figure),
      first ? `cost, × ${first}` : '',
      'note',
    ];
    console.log(`\n${markdown([head, ...lines])}`);
  }
  if (aims.length > 0) {
    const lines = aims.map((one) => [
      one.what,
      spread(one),
      one.atMost !== undefined
        ? `at most ${one.atMost}`
        : one.atLeast !== undefined
          ? `at least ${one.atLeast}`
          : '',
      one.reached ?? 'stated',
    ]);
    console.log(`\n${markdown([['aim', 'median (interval)', 'wanted', 'reached'], ...lines])}`);
  }
}

function markdown(rows) {
  const used = rows[0].map((_, column) =>
    rows.some((cells, at) => (at > 0 || column === 0) && cells[column] !== ''),
  );
  const kept = rows.map((cells) => cells.filter((_, column) => used[column]));
  const widths = kept[0].map((_, column) => Math.max(...kept.map((cells) => cells[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(kept[0]), line(widths.map((width) => '-'.repeat(width))), ...kept.slice(1).map(line)].join(
    '\n',
  );
}

/**
 * Prints a result and writes it to bench/results/<name>.json.
 * @param {{ name: string, title: string, tables: { title: string, rows: object[], first?: string }[], aims?: object[] }} result
 */
export async function publish({ name, title, tables, aims = [] }) {
  const result = { name, title, ...(await surroundings()), tables, aims };
  print(result);
  if (process.env.BENCH_DRY) return result;
  mkdirSync(inRoot('bench', 'results'), { recursive: true });
  const kept = tables.map(({ rows, ...table }) => ({ ...table, rows: rows.map(rounded) }));
  const text = JSON.stringify({ ...result, tables: kept, aims: aims.map(roundedSummary) }, null, 1);
  writeFileSync(inRoot('bench', 'results', `${name}.json`), `${text}\n`);
  return result;
}

const round = (value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
const roundedSummary = (object) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, round(value)]));
const rounded = ({ rounds, figures, ...rest }) => ({
  ...rest,
  figures: Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, roundedSummary(value)])),
  rounds: rounds.map(roundedSummary),
});
