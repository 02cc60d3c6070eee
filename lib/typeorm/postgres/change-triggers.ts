import { tableOf } from '../entities/columns.js';
import { findMetadata, type EntityReference } from '../entities/entities.js';
import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';

/** The table that triggers write changes to, and the channel that they notify. */
export const CHANGES = 'restflow_changes';

/** A statement that changes more rows, and a row that is larger (bytes of JSON), are noted without their values. */
const MAX_ROWS = 1_000;
const MAX_ROW_BYTES = 8_000;

/**
 * Options of {@link changeTriggers}.
 *
 * @publicApi
 */
export interface ChangeTriggersOptions {
  /** The entities whose tables are watched, as classes or names. Default all, junctions included. */
  entities?: readonly EntityReference[] | undefined;
  /** The schema that the table of changes and its function are put in. Default `'public'`. */
  schema?: string | undefined;
}

/**
 * The statements of a migration that makes PostgreSQL (13 or newer) record every change of the entities' tables, by any program, for
 * `postgresChanges()` to read. They are made for the tables as they are: after a migration that adds a table or changes a primary
 * key, run them again.
 *
 * @param dataSource an initialised TypeORM DataSource on PostgreSQL
 * @returns the statements, in order: `up` may be run again; `down` takes the triggers back, and with the last of them the rest
 * @throws TypeError for an entity that the DataSource does not know
 * @example
 * export class Watch1767225600000 implements MigrationInterface {
 *   async up(runner: QueryRunner) {
 *     for (const statement of changeTriggers(runner.connection).up) await runner.query(statement);
 *   }
 *   async down(runner: QueryRunner) {
 *     for (const statement of changeTriggers(runner.connection).down) await runner.query(statement);
 *   }
 * }
 *
 * @publicApi
 */
export function changeTriggers(
  dataSource: object,
  { entities, schema = 'public' }: ChangeTriggersOptions = {},
): { up: string[]; down: string[] } {
  const source = dataSource as OrmDataSource;
  const metadatas =
    entities?.map((entity) => metadataOf(source, entity, 'changeTriggers')) ?? source.entityMetadatas;
  const tables = new Map(metadatas.filter(isTable).map((metadata) => [tableOf(metadata), metadata]));
  const log = `${quoted(schema)}."${CHANGES}"`;
  const note = `${quoted(schema)}."restflow_note_change"`;
  const drops = [...tables.values()].flatMap(dropsOf);
  return {
    up: [
      `CREATE TABLE IF NOT EXISTS ${log} ("id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ` +
        '"xid" xid8 NOT NULL DEFAULT pg_current_xact_id(), "at" timestamptz NOT NULL DEFAULT clock_timestamp(), ' +
        `"origin" text NOT NULL DEFAULT current_setting('application_name'), "name" text NOT NULL, "type" text NOT NULL, ` +
        '"before" jsonb, "after" jsonb)',
      `CREATE INDEX IF NOT EXISTS "${CHANGES}_xid" ON ${log} ("xid")`,
      functionSql(note, log),
      ...drops,
      ...[...tables].flatMap(([name, metadata]) => triggersOf(name, metadata, note)),
    ],
    down: [...drops, removalSql(note, log)],
  };
}

const EVENTS = {
  insert: 'REFERENCING NEW TABLE AS restflow_new',
  update: 'REFERENCING OLD TABLE AS restflow_old NEW TABLE AS restflow_new',
  delete: 'REFERENCING OLD TABLE AS restflow_old',
  truncate: '',
};

function triggersOf(name: string, metadata: OrmMetadata, note: string): string[] {
  const keys = metadata.primaryColumns.map(({ databaseName }) => databaseName);
  const values = [name, ...keys].map(literal).join(', ');
  return Object.entries(EVENTS).map(
    ([event, referencing]) =>
      `CREATE TRIGGER "restflow_${event}" AFTER ${event.toUpperCase()} ON ${pathOf(metadata)} ${referencing} ` +
      `FOR EACH STATEMENT EXECUTE FUNCTION ${note}(${values})`,
  );
}

function dropsOf(metadata: OrmMetadata): string[] {
  return Object.keys(EVENTS).map(
    (event) => `DROP TRIGGER IF EXISTS "restflow_${event}" ON ${pathOf(metadata)}`,
  );
}

/** SECURITY DEFINER: writers need no rights on the table of changes. */
function functionSql(note: string, log: string): string {
  const large = (row: string): string => `coalesce(octet_length(${row}::text), 0)`;
  const keyed = (table: string): string =>
    `(SELECT to_jsonb(r) AS data, (SELECT jsonb_agg(to_jsonb(r) -> k) FROM unnest(keys) AS k) AS key FROM ${table} AS r)`;
  const one = (table: string, type: string, column: string): string =>
    `SELECT count(*) INTO changed FROM (SELECT FROM ${table} LIMIT ${MAX_ROWS + 1}) AS counted;
    IF changed <= ${MAX_ROWS} THEN
      INSERT INTO ${log} ("name", "type", "${column}")
      SELECT TG_ARGV[0], CASE WHEN ${large('data')} > ${MAX_ROW_BYTES} THEN 'unknown' ELSE '${type}' END,
        CASE WHEN ${large('data')} <= ${MAX_ROW_BYTES} THEN data END
      FROM (SELECT to_jsonb(r) AS data FROM ${table} AS r) AS noted;
    END IF;`;
  return `CREATE OR REPLACE FUNCTION ${note}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $restflow$
DECLARE
  changed bigint := ${MAX_ROWS + 1};
  keys text[] := TG_ARGV[1:TG_NARGS - 1];
BEGIN
  IF TG_OP = 'INSERT' THEN
    ${one('restflow_new', 'insert', 'after')}
  ELSIF TG_OP = 'DELETE' THEN
    ${one('restflow_old', 'remove', 'before')}
  ELSIF TG_OP = 'UPDATE' THEN
    SELECT count(*) INTO changed FROM (SELECT FROM restflow_new LIMIT ${MAX_ROWS + 1}) AS counted;
    IF changed <= ${MAX_ROWS} THEN
      INSERT INTO ${log} ("name", "type", "before", "after")
      SELECT TG_ARGV[0],
        CASE WHEN large THEN 'unknown' WHEN o IS NULL THEN 'insert' WHEN n IS NULL THEN 'remove' ELSE 'update' END,
        CASE WHEN NOT large THEN o END, CASE WHEN NOT large THEN n END
      FROM (
        SELECT o.data AS o, n.data AS n, ${large('o.data')} + ${large('n.data')} > ${MAX_ROW_BYTES} AS large
        FROM ${keyed('restflow_old')} AS o FULL JOIN ${keyed('restflow_new')} AS n ON o.key = n.key
        WHERE o.data IS DISTINCT FROM n.data
      ) AS noted;
    END IF;
  END IF;
  IF changed > ${MAX_ROWS} THEN
    INSERT INTO ${log} ("name", "type") VALUES (TG_ARGV[0], 'unknown');
  END IF;
  IF changed > 0 THEN
    PERFORM pg_notify('${CHANGES}', '');
  END IF;
  RETURN NULL;
END $restflow$`;
}

/** Removes the function and the table, unless triggers of another migration use them. */
function removalSql(note: string, log: string): string {
  return `DO $restflow$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = to_regproc(${literal(note)})) THEN
    DROP FUNCTION IF EXISTS ${note}();
    DROP TABLE IF EXISTS ${log};
  END IF;
END $restflow$`;
}

export function metadataOf(dataSource: OrmDataSource, entity: EntityReference, caller: string): OrmMetadata {
  const metadata = findMetadata(dataSource, entity);
  if (metadata !== undefined) return metadata;
  const name = typeof entity === 'function' ? entity.name : String(entity);
  throw new TypeError(
    `${caller}(): the DataSource knows no entity ${name}. Name one of its entities, or leave entities out for all of them.`,
  );
}

export function isTable({ tableType }: OrmMetadata): boolean {
  return tableType !== 'view';
}

export function pathOf({ tablePath }: OrmMetadata): string {
  return tablePath.split('.').map(quoted).join('.');
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
