import { OutboxTable, type OutboxDataSource, type SqlRunner } from './outbox-table.js';

export const OUTBOX_TABLE = 'restflow_outbox';

/**
 * A migration as TypeORM takes it.
 *
 * @publicApi
 */
export interface OutboxMigration {
  /** As TypeORM notes it. */
  readonly name: string;
  /** Makes the table. */
  up(queryRunner: OutboxMigrationRunner): Promise<void>;
  /** Drops it. */
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
 * A migration that makes the table of the `outbox` dispatcher, for `migrations` of a DataSource on PostgreSQL, MySQL,
 * MariaDB or SQLite.
 *
 * @param table its name. Default `restflow_outbox`
 * @returns a class that TypeORM runs like any migration
 * @example
 * new DataSource({ …, migrations: [...mine, outboxMigration()] })
 *
 * @publicApi
 */
export function outboxMigration(table = OUTBOX_TABLE): new () => OutboxMigration {
  const of = ({ connection }: OutboxMigrationRunner): OutboxTable =>
    new OutboxTable(connection as OutboxDataSource, table);
  return class RestflowOutbox implements OutboxMigration {
    // TypeORM orders migrations by the time at the end of their name.
    readonly name = 'RestflowOutbox1767225600000';

    async up(queryRunner: OutboxMigrationRunner): Promise<void> {
      for (const statement of of(queryRunner).creation) await queryRunner.query(statement);
    }

    async down(queryRunner: OutboxMigrationRunner): Promise<void> {
      for (const statement of of(queryRunner).removal) await queryRunner.query(statement);
    }
  };
}
