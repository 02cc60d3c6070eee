import type { OrmDataSource } from '../typeorm.interface.js';
import {
  isTable,
  literal,
  metadataOf,
  pathOf,
  quoted,
  type ChangeTriggersOptions,
} from './change-triggers.js';
import { DEFAULT_NAME } from './pg-output.js';

/**
 * Options of {@link changePublication}.
 *
 * @publicApi
 */
export interface ChangePublicationOptions {
  /** The entities whose tables are published, as classes or names. Default all, junctions included. */
  entities?: ChangeTriggersOptions['entities'];
  /** The name of the publication. Default `'restflow_cache'`. */
  publication?: string | undefined;
}

/**
 * The statements of a migration that publishes the entities' tables for `pgOutputChanges()`, with their whole old rows
 * (`REPLICA IDENTITY FULL`). After a migration that adds a table, run them again.
 *
 * @param dataSource an initialised TypeORM DataSource on PostgreSQL
 * @returns the statements, in order: `up` may be run again; `down` takes them back
 * @throws TypeError for an entity that the DataSource does not know
 * @example
 * for (const statement of changePublication(runner.connection).up) await runner.query(statement);
 *
 * @publicApi
 */
export function changePublication(
  dataSource: object,
  { entities, publication = DEFAULT_NAME }: ChangePublicationOptions = {},
): { up: string[]; down: string[] } {
  const source = dataSource as OrmDataSource;
  const metadatas =
    entities?.map((entity) => metadataOf(source, entity, 'changePublication')) ?? source.entityMetadatas;
  const tables = [...new Set(metadatas.filter(isTable).map(pathOf))];
  const name = quoted(publication);
  return {
    up: [
      ...tables.map((table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL`),
      `DO $restflow$ BEGIN
  IF EXISTS (SELECT FROM pg_publication WHERE pubname = ${literal(publication)}) THEN
    ALTER PUBLICATION ${name} SET TABLE ${tables.join(', ')};
  ELSE
    CREATE PUBLICATION ${name} FOR TABLE ${tables.join(', ')} WITH (publish_via_partition_root = true);
  END IF;
END $restflow$`,
    ],
    down: [
      `DROP PUBLICATION IF EXISTS ${name}`,
      ...tables.map((table) => `ALTER TABLE ${table} REPLICA IDENTITY DEFAULT`),
    ],
  };
}
