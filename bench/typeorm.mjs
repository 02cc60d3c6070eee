// `npm run bench -- typeorm`: what 2,000 saves cost with rules that match, against the same saves without the module.
// Inline dispatcher, memory store; rounds take turns. sql.js, and PostgreSQL where TEST_POSTGRES_URL is set.
import 'reflect-metadata';
import { DataSource, EntitySchema } from 'typeorm';
import { median } from './rig/statistics.mjs';
import { attachInvalidation, CacheResult, invalidates, memoryStore } from '../dist/esm/index.js';

const SAVES = 2_000;
const ROUNDS = 7;

class Row {}
class Other {}
const schemas = [Row, Other].map(
  (target) =>
    new EntitySchema({
      name: `Bench${target.name}`,
      target,
      columns: { id: { type: Number, primary: true, generated: true }, text: { type: String } },
    }),
);

class Rows {
  async all() {
    return [];
  }
}
const method = Object.getOwnPropertyDescriptor(Rows.prototype, 'all');
Object.defineProperty(
  Rows.prototype,
  'all',
  CacheResult({ invalidatesOn: [invalidates(Row, { scope: 'all' })] })(Rows.prototype, 'all', method) ??
    method,
);

async function saves(rows) {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < SAVES; i++) await rows.save({ text: `row ${i}` });
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - wall, cpu: (user + system) / 1_000 };
}

/** What is compared, each with the entity that is saved. */
const KINDS = {
  'without the module': { target: Row, attached: false },
  'with rules that match': { target: Row, attached: true },
  'with rules on another entity': { target: Other, attached: true },
};

async function round(dataSource, { target, attached }) {
  const rows = dataSource.getRepository(target);
  const invalidation = attached
    ? attachInvalidation(dataSource, { store: memoryStore(), classes: [Rows] })
    : undefined;
  const result = await saves(rows);
  await invalidation?.detach();
  await rows.clear();
  return result;
}

async function compare(name, options) {
  const dataSource = await new DataSource({
    ...options,
    entities: schemas,
    synchronize: true,
  }).initialize();
  const kinds = Object.keys(KINDS);
  const results = Object.fromEntries(kinds.map((kind) => [kind, []]));
  for (const kind of kinds) await round(dataSource, KINDS[kind]);
  for (let i = 0; i < ROUNDS; i++) {
    // Each is as often behind each other, so that what grows or warms up with time is nobody's.
    for (const kind of i % 2 === 0 ? kinds : kinds.toReversed())
      results[kind].push(await round(dataSource, KINDS[kind]));
  }
  for (const measure of ['wall', 'cpu']) {
    const medians = kinds.map((kind) => median(results[kind].map((each) => each[measure])));
    const told = medians.map(
      (ms, i) => `${kinds[i]} ${ms.toFixed(0)} ms` + (i > 0 ? ` (${(ms / medians[0]).toFixed(2)}×)` : ''),
    );
    console.log(`${name} ${measure}: ${told.join(', ')}`);
  }
  await dataSource.destroy();
}

await compare('sql.js', { type: 'sqljs' });
const url = process.env.TEST_POSTGRES_URL;
if (url) await compare('PostgreSQL', { type: 'postgres', url });
else console.log('PostgreSQL: set TEST_POSTGRES_URL to measure it');
