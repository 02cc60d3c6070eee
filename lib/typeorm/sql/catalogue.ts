import { type Statement, Statements } from './statements.js';
import { type Tables, tablesOf } from '../entities/tables.js';
import type { OrmDataSource } from '../typeorm.interface.js';

const HAS_BACKSLASHES = /^(?:mysql|mariadb|aurora-mysql)$/;
const COMMITS_DEFINITIONS = /^(?:mysql|mariadb|aurora-mysql|oracle|sap)$/;

/** What the collector asks about one DataSource: its tables, its SQL, its driver's habits. */
export class Catalogue {
  readonly #dataSource: OrmDataSource;
  readonly #commitsDefinitions: boolean;
  readonly #hasBackslashes: boolean;
  #metadatas: unknown;
  #tables: Tables | undefined;
  #statements: Statements | undefined;

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
    const type = String((dataSource.options as { type?: unknown }).type);
    this.#commitsDefinitions = COMMITS_DEFINITIONS.test(type);
    this.#hasBackslashes = HAS_BACKSLASHES.test(type);
  }

  /** Made anew when an initialisation has made new metadata. */
  get tables(): Tables {
    const { entityMetadatas } = this.#dataSource;
    if (this.#tables === undefined || entityMetadatas !== this.#metadatas) {
      this.#metadatas = entityMetadatas;
      this.#tables = tablesOf(this.#dataSource);
      this.#statements = new Statements(this.#tables, this.#hasBackslashes);
    }
    return this.#tables;
  }

  read(sql: string): Statement {
    void this.tables;
    return this.#statements!.read(sql);
  }

  /** Whether the statement commits what was written before it, whoever began the transaction. */
  commitsImplicitly(statement: Statement): boolean {
    return this.#commitsDefinitions && statement.commitsImplicitly;
  }

  /** Whether an INSERT of several rows gives back the key of each, as RETURNING does. */
  get returnsRows(): boolean {
    const driver = this.#dataSource.driver as { isReturningSqlSupported?: (kind: string) => boolean };
    return driver.isReturningSqlSupported?.('insert') ?? false;
  }
}
