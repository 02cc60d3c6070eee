// `npm run bench -- typeorm`: what 2,000 saves cost with rules that match, against the same saves without the module.
// Inline dispatcher, memory store; rounds take turns. sql.js, and PostgreSQL where TEST_POSTGRES_URL is set.
import 'reflect-metadata';
import { DataSource, EntitySchema } from 'typeorm';
import { attachInvalidation, CacheResult, invalidates } from '../dist/esm/index.js';

const SAVES = 2_000;
const ROUNDS = 7;

class Row {}
const schema = new EntitySchema({
  name: 'BenchRow',
  target: Row,
  columns: { id: { type: Number, primary: true, generated: true }, text: { type: String } },
});

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

async function saves(dataSource) {
  const rows = dataSource.getRepository(Row);
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < SAVES; i++) await rows.save({ text: `row ${i}` });
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - wall, cpu: (user + system) / 1_000 };
}

const median = (values) => values.sort((one, other) => one - other)[values.length >> 1];

async function compare(name, options) {
  const dataSource = await new DataSource({
    ...options,
    entities: [schema],
    synchronize: true,
  }).initialize();
  const rounds = { without: [], with: [] };
  await saves(dataSource);
  for (let round = 0; round < ROUNDS; round++) {
    rounds.without.push(await saves(dataSource));
    const invalidation = attachInvalidation(dataSource, { classes: [Rows] });
    rounds.with.push(await saves(dataSource));
    await invalidation.detach();
    await dataSource.getRepository(Row).clear();
  }
  for (const measure of ['wall', 'cpu']) {
    const [plain, watched] = ['without', 'with'].map((kind) =>
      median(rounds[kind].map((each) => each[measure])),
    );
    console.log(
      `${name} ${measure}: ${plain.toFixed(0)} ms, with rules ${watched.toFixed(0)} ms, ${(watched / plain).toFixed(2)}×`,
    );
  }
  await dataSource.destroy();
}

await compare('sql.js', { type: 'sqljs' });
const url = process.env.TEST_POSTGRES_URL;
if (url) await compare('PostgreSQL', { type: 'postgres', url });
else console.log('PostgreSQL: set TEST_POSTGRES_URL to measure it');
