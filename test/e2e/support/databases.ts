import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type EntitySchema, type MixedList } from 'typeorm';
import { serverUrl } from '../../servers/url.js';

export const databases = ['sql.js', 'PostgreSQL'] as const;
export type DatabaseName = (typeof databases)[number];

/**
 * The module of an application's database, empty.
 *
 * @param schema on PostgreSQL; test files run side by side, so each has its own
 */
export async function databaseModule(
  name: DatabaseName,
  schema: string,
  entities: MixedList<Function | string | EntitySchema>,
): Promise<ReturnType<typeof TypeOrmModule.forRoot>> {
  if (name === 'sql.js')
    return TypeOrmModule.forRoot({ type: 'sqljs', autoSave: false, entities, synchronize: true });
  const url = serverUrl('postgres');
  const admin = await new DataSource({ type: 'postgres', url }).initialize();
  await admin.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await admin.destroy();
  return TypeOrmModule.forRoot({
    type: 'postgres',
    url,
    schema,
    entities,
    dropSchema: true,
    synchronize: true,
  });
}
