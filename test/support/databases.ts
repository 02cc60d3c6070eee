import { createRequire } from 'node:module';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { serverUrl } from '../servers/url.js';

/** A database by the driver it is spoken to with: TypeORM's `mysql` asks MariaDB for no RETURNING, as it does MySQL. */
export type DatabaseName = 'sql.js' | 'better-sqlite3' | 'PostgreSQL' | 'MariaDB' | 'MariaDB as MySQL';

/** The folder of the package, where the run is one of the native driver alone. */
const NATIVE_SQLITE = process.env['TEST_BETTER_SQLITE3'];
const HAS_MARIADB = Boolean(process.env['TEST_MARIADB_URL']);

/** The servers of this run, and what specs that hold on every database run on. */
export const ON_SERVERS: readonly DatabaseName[] = [
  'PostgreSQL',
  ...(HAS_MARIADB ? (['MariaDB'] as const) : []),
];
export const DATABASES: readonly DatabaseName[] = NATIVE_SQLITE
  ? ['better-sqlite3']
  : ['sql.js', ...ON_SERVERS];

/** All of these, by every driver. */
export const DRIVERS: readonly DatabaseName[] = [
  ...DATABASES,
  ...(DATABASES.includes('MariaDB') ? (['MariaDB as MySQL'] as const) : []),
];

/** One connection and one query runner, which everybody shares. */
export const isShared = (name: DatabaseName): boolean => name === 'sql.js' || name === 'better-sqlite3';
export const isMariaDb = (name: DatabaseName): boolean => name.startsWith('MariaDB');

/** Test files run side by side: each worker has a schema, or a database, of its own. */
export const ownSchema = (prefix: string): string => `${prefix}_${process.env['JEST_WORKER_ID'] ?? '0'}`;

/** Where a DataSource connects; on a server, to that schema. `at` is another PostgreSQL than that of the run. */
export function connectionOptions(name: DatabaseName, schema: string, at?: string): DataSourceOptions {
  switch (name) {
    case 'sql.js':
      return { type: 'sqljs' };
    case 'better-sqlite3':
      return {
        type: 'better-sqlite3',
        database: ':memory:',
        driver: createRequire(import.meta.url)(NATIVE_SQLITE!),
      };
    case 'PostgreSQL':
      return { type: 'postgres', url: at ?? serverUrl('postgres'), schema, applicationName: schema };
    default: {
      const url = new URL(serverUrl('mariadb'));
      url.pathname = `/${schema}`;
      const type = name === 'MariaDB' ? 'mariadb' : 'mysql';
      return { type, url: url.href, multipleStatements: true };
    }
  }
}

/** Makes a schema where it is missing; with `empty`, takes away what is in it. */
export async function makeSchema(
  name: DatabaseName,
  schema: string,
  { empty = false, at }: { empty?: boolean; at?: string | undefined } = {},
): Promise<void> {
  if (isShared(name)) return;
  const isPostgres = name === 'PostgreSQL';
  const options = isPostgres
    ? { type: 'postgres', url: at ?? serverUrl('postgres') }
    : { type: 'mariadb', url: serverUrl('mariadb') };
  const admin = await new DataSource(options as DataSourceOptions).initialize();
  if (empty) await admin.query(`DROP SCHEMA IF EXISTS ${schema} ${isPostgres ? 'CASCADE' : ''}`);
  await admin.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await admin.destroy();
}
