import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Database } from './database.js';
import { dialectOf } from './dialects.js';
import { TableFamilies } from './entities/table-families.js';
import type { OrmDataSource } from './typeorm.interface.js';

/** Partitions come and go without a statement here. Milliseconds. */
const REREAD_MS = 60_000;
/** After a statement on a table of unknown name. */
const UNKNOWN_MS = 1_000;
/** A boot waits no longer for a connection: the pool may be in use by the boot itself. */
const MAX_WAIT_MS = 2_000;

/** Reads from PostgreSQL's catalogue which tables share rows, when a DataSource is there and from time to time. */
export class Catalogue {
  readonly #waiting = new Map<Database, () => void>();
  readonly #servers = new Map<Database, Map<string, OrmDataSource>>();
  #isClosed = false;

  constructor(private readonly runtime: CacheRuntime) {}

  /** Reads the tables of a DataSource's server. Never rejects, and waits for a limited time. */
  async read(dataSource: OrmDataSource, database: Database): Promise<void> {
    if (dialectOf(dataSource).hasTableFamilies !== true || !dataSource.isInitialized) return;
    const server = serverOf(dataSource);
    const servers = this.#servers.get(database) ?? new Map<string, OrmDataSource>();
    this.#servers.set(database, servers);
    const reader = servers.get(server);
    if (reader !== undefined && reader !== dataSource && reader.isInitialized) return;
    servers.set(server, dataSource);
    database.onUnknownTable = () => this.#later(database, UNKNOWN_MS, true);
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, MAX_WAIT_MS).unref();
      cancel = () => clearTimeout(timer);
    });
    await Promise.race([this.#read(dataSource, server, database), late]);
    cancel();
  }

  async #read(dataSource: OrmDataSource, server: string, database: Database): Promise<void> {
    try {
      const families = await TableFamilies.read(dataSource);
      if (!this.#isClosed) database.setFamilies(server, families);
    } catch (error) {
      if (!this.#isClosed && dataSource.isInitialized)
        this.runtime.log.error(
          'catalogue',
          'The partitions of tables could not be read, so statements on a partition do not reach rules on its parent until a read ' +
            'succeeds. Grant the account SELECT on pg_class, pg_namespace and pg_inherits',
          error,
        );
    }
    if (!this.#isClosed) this.#later(database, REREAD_MS);
  }

  #later(database: Database, ms: number, isUnknown = false): void {
    const waiting = this.#waiting.get(database);
    if (waiting !== undefined && !isUnknown) return;
    waiting?.();
    const cancel = this.runtime.settings.clock.after(ms, () => {
      this.#waiting.delete(database);
      if (!isUnknown && !database.hasFamilies) return;
      for (const [server, dataSource] of this.#servers.get(database) ?? [])
        if (dataSource.isInitialized) void this.#read(dataSource, server, database);
    });
    this.#waiting.set(database, cancel);
  }

  forget(dataSource: OrmDataSource, database: Database): void {
    const servers = this.#servers.get(database);
    const server = serverOf(dataSource);
    if (servers?.get(server) === dataSource) servers.delete(server);
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }
}

function serverOf({ options }: OrmDataSource): string {
  const { url, host, port, database } = options as Readonly<Record<string, unknown>>;
  return [url, host, port, database].map(String).join(' ');
}
