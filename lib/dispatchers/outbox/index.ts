export { outboxDispatcher, type OutboxOptions } from '../outbox.dispatcher.js';
export { outboxMigration, type OutboxMigration, type OutboxMigrationRunner } from '../outbox-migration.js';
