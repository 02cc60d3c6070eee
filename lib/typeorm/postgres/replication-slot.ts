import { refusal } from '../log/log-consumer.js';
import { literal, quoted } from './change-triggers.js';
import type { RelationShape } from './pg-output-messages.js';

/**
 * The parts of a `pg` client that are used.
 *
 * @publicApi
 */
export interface ReplicationClient {
  connect(): Promise<unknown>;
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  end(): Promise<void>;
}

const SYNTAX_ERROR = '42601';
const DUPLICATE = '42710';

/** The timeline of the server, and the end of its log. */
export async function identify(
  source: string,
  client: ReplicationClient,
): Promise<{ timeline: number; position: bigint }> {
  try {
    const [row] = (await client.query('IDENTIFY_SYSTEM')).rows;
    return { timeline: Number(row!['timeline']), position: lsnOf(String(row!['xlogpos'])) };
  } catch (error) {
    if ((error as { code?: unknown }).code !== SYNTAX_ERROR) throw error;
    throw refusal(
      source,
      'the client is not a replication connection.',
      'client: (replication) => new Client({ connectionString, ...replication }).',
    );
  }
}

/** @throws CacheConfigurationError for settings of the server with which changes would be lost */
export async function checkServer(
  source: string,
  client: ReplicationClient,
  publication: string,
): Promise<void> {
  const { rows } = await client.query(
    `SELECT current_setting('wal_level') AS level, current_setting('max_slot_wal_keep_size') AS kept, pg_is_in_recovery() AS standby, ` +
      `(SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS replicates, ` +
      `(SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = ${literal(publication)}) AS whole, ` +
      `current_user AS "user"`,
  );
  const { level, kept, standby, replicates, whole, user } = rows[0]!;
  if (standby === true) throw new Error('The server is a standby.');
  const name = quoted(publication);
  if (level !== 'logical')
    throw refusal(
      source,
      `wal_level of the server is ${String(level)}, so its log holds no rows.`,
      'ALTER SYSTEM SET wal_level = logical, and restart the server.',
    );
  if (kept === '-1')
    throw refusal(
      source,
      'max_slot_wal_keep_size of the server is unlimited: while no process reads the log, it fills the disk.',
      `ALTER SYSTEM SET max_slot_wal_keep_size = '4GB'; SELECT pg_reload_conf();`,
    );
  if (replicates !== true)
    throw refusal(
      source,
      `the role ${String(user)} may not replicate.`,
      `ALTER ROLE ${quoted(String(user))} REPLICATION;`,
    );
  if (whole === null)
    throw refusal(
      source,
      `the publication ${publication} does not exist.`,
      'a migration with the statements of changePublication(dataSource).',
    );
  if (whole !== true)
    throw refusal(
      source,
      `the publication ${publication} leaves out some kinds of changes.`,
      `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate');`,
    );
  await checkIdentities(source, client, publication);
}

/** Tables, and partitions of them, whose old rows are in the log by no key: PostgreSQL refuses to update such a row. */
async function checkIdentities(
  source: string,
  client: ReplicationClient,
  publication: string,
): Promise<void> {
  const { rows } = await client.query(
    `SELECT DISTINCT leaf.oid::regclass::text AS name FROM pg_publication_tables p ` +
      `JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = n.oid ` +
      `CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) AS tree(oid) ` +
      `JOIN pg_class leaf ON leaf.oid = tree.oid AND leaf.relkind = 'r' WHERE p.pubname = ${literal(publication)} AND ` +
      `(leaf.relreplident = 'n' OR leaf.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = leaf.oid AND i.indisprimary))`,
  );
  if (rows.length === 0) return;
  const lines = rows.map(({ name }) => `ALTER TABLE ${String(name)} REPLICA IDENTITY FULL;`);
  throw refusal(
    source,
    `published tables have no replica identity, so their log lacks old rows.`,
    lines.join(' '),
  );
}

/** `lost`: the server has removed a part of the log that was not read. */
export async function slotState(
  client: ReplicationClient,
  slot: string,
): Promise<'missing' | 'lost' | 'active' | 'idle'> {
  const { rows } = await client.query(
    `SELECT active, wal_status FROM pg_replication_slots WHERE slot_name = ${literal(slot)}`,
  );
  const [row] = rows;
  if (row === undefined) return 'missing';
  if (row['wal_status'] === 'lost') return 'lost';
  return row['active'] === true ? 'active' : 'idle';
}

/**
 * Makes the slot, and drops everything that was cached before its first change. It gets its name only then: a temporary slot, of which
 * it is a copy, goes with a process that is killed meanwhile. Slots of other timelines are removed.
 *
 * @returns false if another process was faster
 */
export async function createSlot(
  client: ReplicationClient,
  { slot, isLost }: { readonly slot: string; readonly isLost: boolean },
  missed: () => Promise<void>,
  name: string,
): Promise<boolean> {
  const temporary = `${name}_${process.pid}_new`;
  const dropped = isLost ? 'true' : `slot_name <> ${literal(slot)}`;
  await client.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND ${dropped} AND ` +
      `database = current_database() AND slot_name ~ ${literal(`^${name}_t[0-9]+$`)}`,
  );
  await client.query(`SELECT pg_create_logical_replication_slot(${literal(temporary)}, 'pgoutput', true)`);
  try {
    await missed();
    await client.query(
      `SELECT pg_copy_logical_replication_slot(${literal(temporary)}, ${literal(slot)}, false)`,
    );
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === DUPLICATE) return false;
    throw error;
  } finally {
    await client.query(`SELECT pg_drop_replication_slot(${literal(temporary)})`).catch(() => undefined);
  }
}

/** The published tables as they are. */
export async function relationShapes(
  client: ReplicationClient,
  publication: string,
): Promise<RelationShape[]> {
  const { rows } = await client.query(
    `SELECT c.oid::int AS oid, n.nspname AS schema, c.relname AS name, ` +
      `(SELECT json_agg(json_build_array(a.attname, a.atttypid::int, a.atttypmod) ORDER BY a.attnum) FROM pg_attribute a ` +
      `WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns ` +
      `FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname ` +
      `JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = n.oid WHERE p.pubname = ${literal(publication)}`,
  );
  return rows as unknown as RelationShape[];
}

/** A position in the log, e.g. `16/B374D848`. */
export function lsnOf(text: string): bigint {
  const [high, low] = text.split('/') as [string, string];
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
