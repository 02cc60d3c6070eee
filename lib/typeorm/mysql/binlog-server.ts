import { refusal } from '../log/log-consumer.js';

/**
 * The parts of a connection of `mysql2/promise` that are used.
 *
 * @publicApi
 */
export interface BinlogClient {
  query(sql: string, values?: unknown[]): Promise<[unknown, ...unknown[]]>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  destroy(): void;
}

/**
 * The parts of a `ZongJi` of `@vlasky/zongji` that are used.
 *
 * @publicApi
 */
export interface BinlogReader {
  start(options: object): void;
  stop(): void;
  get(name: string): unknown;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** A place in the binary log of one server. */
export interface BinlogPosition {
  readonly filename: string;
  readonly position: number;
}

export const POSITIONS = 'restflow_binlog';
const DENIED = new Set([1044, 1142, 1227]);

type Row = Readonly<Record<string, unknown>>;

export async function rowsOf(client: BinlogClient, sql: string, values?: unknown[]): Promise<readonly Row[]> {
  return (await client.query(sql, values))[0] as readonly Row[];
}

/**
 * The identity of the server, and the database of the connection.
 *
 * @throws CacheConfigurationError for settings with which changes would be lost
 */
export async function checkServer(
  source: string,
  client: BinlogClient,
): Promise<{ server: string; database: string }> {
  const [row] = await rowsOf(
    client,
    'SELECT @@log_bin AS log, @@global.binlog_format AS format, @@global.binlog_row_image AS image, ' +
      `CONCAT_WS(':', @@hostname, @@port, @@server_id) AS server, DATABASE() AS name, CURRENT_USER() AS user`,
  );
  const { log, format, image, server, name, user } = row!;
  if (Number(log) !== 1)
    throw refusal(source, 'the server writes no binary log.', 'log_bin = ON in its configuration.');
  if (String(format).toUpperCase() !== 'ROW')
    throw refusal(
      source,
      `binlog_format is ${String(format)}, so the log holds statements.`,
      'SET GLOBAL binlog_format = ROW;',
    );
  if (String(image).toUpperCase() !== 'FULL')
    throw refusal(
      source,
      `binlog_row_image is ${String(image)}, so the log lacks columns of old rows.`,
      'SET GLOBAL binlog_row_image = FULL;',
    );
  if (name === null) throw refusal(source, 'the connection names no database.', 'it into the URL.');
  const account = `'${String(user).replace('@', `'@'`)}'`;
  await granted(
    source,
    () => client.query('SHOW BINARY LOGS'),
    `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${account};`,
  );
  await granted(
    source,
    () =>
      client.query(
        `CREATE TABLE IF NOT EXISTS ${POSITIONS} (id varchar(64) PRIMARY KEY, server varchar(255) NOT NULL, ` +
          'filename varchar(255) NOT NULL, position bigint NOT NULL)',
      ),
    `GRANT CREATE, SELECT, INSERT, DELETE ON ${String(name)}.* TO ${account};`,
  );
  return { server: String(server), database: String(name) };
}

async function granted(source: string, work: () => Promise<unknown>, line: string): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { errno, message } = error as { errno?: number; message: string };
    if (errno === undefined || !DENIED.has(errno)) throw error;
    throw refusal(source, `the account lacks a privilege (${message}).`, line);
  }
}

/** The end of the log. */
export async function endOfLog(client: BinlogClient): Promise<BinlogPosition> {
  const last = (await rowsOf(client, 'SHOW BINARY LOGS')).at(-1)!;
  return { filename: String(last['Log_name']), position: Number(last['File_size']) };
}

/** The stored position; `undefined` if there is none, or that of another server. */
export async function storedPosition(
  client: BinlogClient,
  id: string,
  server: string,
): Promise<BinlogPosition | undefined> {
  const sql = `SELECT filename, position FROM ${POSITIONS} WHERE id = ? AND server = ?`;
  const [row] = await rowsOf(client, sql, [id, server]);
  return row && { filename: String(row['filename']), position: Number(row['position']) };
}

export async function storePosition(
  client: BinlogClient,
  id: string,
  server: string,
  { filename, position }: BinlogPosition,
): Promise<void> {
  const sql = `REPLACE INTO ${POSITIONS} (id, server, filename, position) VALUES (?, ?, ?, ?)`;
  await client.query(sql, [id, server, filename, position]);
}

export async function forgetPosition(client: BinlogClient, id: string): Promise<void> {
  await client.query(`DELETE FROM ${POSITIONS} WHERE id = ?`, [id]);
}
