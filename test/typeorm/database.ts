import { DataSource, type DataSourceOptions } from 'typeorm';
import type { Change, ChangeSink, RowView } from '../../lib/invalidation/change.interface.js';
import { connectionOptions, makeSchema, ownSchema, type DatabaseName } from '../support/databases.js';
import { ENTITIES } from './entities.js';

export {
  DATABASES,
  DRIVERS,
  isMariaDb,
  isShared,
  ON_SERVERS,
  type DatabaseName,
} from '../support/databases.js';

export const schemaName = (): string => ownSchema('typeorm_room');

export const createSchema = (): Promise<void> => makeSchema('PostgreSQL', schemaName());

/** A new DataSource on the named database, its schema empty once initialised. */
export function createDataSource(name: DatabaseName, options: Partial<DataSourceOptions> = {}): DataSource {
  const base = { entities: ENTITIES, dropSchema: true, synchronize: true };
  return new DataSource({
    ...base,
    ...connectionOptions(name, schemaName()),
    ...options,
  } as DataSourceOptions);
}

export async function openDataSource(
  name: DatabaseName,
  options: Partial<DataSourceOptions> = {},
): Promise<DataSource> {
  await makeSchema(name, schemaName());
  return createDataSource(name, options).initialize();
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
