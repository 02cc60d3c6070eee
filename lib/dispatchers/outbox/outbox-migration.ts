import { OutboxTable, type OutboxDataSource, type SqlRunner } from './outbox-table.js';

export const OUTBOX_TABLE = 'restflow_outbox';

/**
 * A TypeORM migration that creates the outbox table.
 *
 * @publicApi
 */
export interface OutboxMigration {
  /** Name in TypeORM's table of migrations. */
  readonly name: string;
  /** Creates the table. */
  up(queryRunner: OutboxMigrationRunner): Promise<void>;
  /** Drops the table. */
  down(queryRunner: OutboxMigrationRunner): Promise<void>;
}

/**
 * The parts of TypeORM's QueryRunner that the migration uses.
 *
 * @publicApi
 */
export interface OutboxMigrationRunner extends SqlRunner {
  readonly connection: object;
}

/**
 * Makes a migration that creates the table of the `outbox` dispatcher, for `migrations` of a DataSource on PostgreSQL, MySQL,
 * MariaDB or SQLite.
 *
 * @param table name of the table. Default `restflow_outbox`
 * @returns a migration class
 * @example
 * new DataSource({ …, migrations: [...mine, outboxMigration()] })
 *
 * @publicApi
 */
export function outboxMigration(table = OUTBOX_TABLE): new () => OutboxMigration {
  const of = ({ connection }: OutboxMigrationRunner): OutboxTable =>
    new OutboxTable(connection as OutboxDataSource, table);
  return class RestflowOutbox implements OutboxMigration {
    // TypeORM orders migrations by the timestamp at the end of their name.
    readonly name = 'RestflowOutbox1767225600000';

    async up(queryRunner: OutboxMigrationRunner): Promise<void> {
      for (const statement of of(queryRunner).creation) await queryRunner.query(statement);
    }

    async down(queryRunner: OutboxMigrationRunner): Promise<void> {
      for (const statement of of(queryRunner).removal) await queryRunner.query(statement);
    }
  };
}
