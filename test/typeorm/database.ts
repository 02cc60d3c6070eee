import { DataSource, type DataSourceOptions } from 'typeorm';
import type { Change, ChangeSink, RowView } from '../../lib/invalidation/change.interface.js';
import { ENTITIES } from './entities.js';

export type DatabaseName = 'sql.js' | 'PostgreSQL';
export const DATABASES: DatabaseName[] = ['sql.js', 'PostgreSQL'];

/** A new DataSource on the named database, its schema empty once initialised. */
export function createDataSource(name: DatabaseName, options: Partial<DataSourceOptions> = {}): DataSource {
  const base = { entities: ENTITIES, dropSchema: true, synchronize: true };
  if (name === 'sql.js') return new DataSource({ ...base, type: 'sqljs', ...options } as DataSourceOptions);
  return new DataSource({
    ...base,
    type: 'postgres',
    url: postgresUrl(),
    schema: schemaName(),
    applicationName: schemaName(),
    ...options,
  } as DataSourceOptions);
}

/** Test files run side by side: each worker has a schema of its own. */
export function schemaName(): string {
  return `typeorm_room_${process.env['JEST_WORKER_ID'] ?? '0'}`;
}

export async function openDataSource(
  name: DatabaseName,
  options: Partial<DataSourceOptions> = {},
): Promise<DataSource> {
  if (name === 'PostgreSQL') await createSchema();
  return createDataSource(name, options).initialize();
}

export async function createSchema(): Promise<void> {
  const admin = new DataSource({ type: 'postgres', url: postgresUrl() });
  await admin.initialize();
  await admin.query(`CREATE SCHEMA IF NOT EXISTS "${schemaName()}"`);
  await admin.destroy();
}

function postgresUrl(): string {
  const url = process.env['TEST_POSTGRES_URL'];
  if (url === undefined || url === '') {
    throw new Error(
      'TEST_POSTGRES_URL is not set: `npm test` starts a PostgreSQL for these tests. To run them alone, set it to a ' +
        'database they may write to, e.g. postgres://postgres@127.0.0.1:5432/postgres.',
    );
  }
  return url;
}

/** A sink that remembers; each batch is one call of `committed`. */
export class RecordingSink implements ChangeSink {
  batches: (readonly Change[])[] = [];
  answer: Promise<void> | undefined;

  committed(changes: readonly Change[]): void | Promise<void> {
    this.batches.push(changes);
    return this.answer;
  }

  get changes(): Change[] {
    return this.batches.flat();
  }

  clear(): void {
    this.batches = [];
  }
}

/** One line a change: type, table, id, before → after at the given paths, updated columns. `?` is unknown, `-` no row. */
export function line(change: Change, paths: readonly string[] = []): string {
  const table = change.table.split('.').at(-1)!;
  const id =
    change.id === undefined
      ? '?'
      : typeof change.id === 'object'
        ? JSON.stringify(change.id)
        : String(change.id);
  const columns =
    change.updatedColumns === undefined ? '' : ` [${[...change.updatedColumns].sort().join(' ')}]`;
  const { before, after } = change;
  return `${change.type} ${table} ${id} ${view(before, paths)} → ${view(after, paths)}${columns}`;
}

function view(row: RowView | null | undefined, paths: readonly string[]): string {
  if (row === undefined) return '?';
  if (row === null) return '-';
  const values = paths.map((path) => {
    const reading = row.read(path);
    return reading.known ? String(reading.value) : '?';
  });
  return `(${values.join()})`;
}
