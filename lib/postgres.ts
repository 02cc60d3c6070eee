export { changeTriggers, type ChangeTriggersOptions } from './typeorm/postgres/change-triggers.js';
export type { ListeningClient } from './typeorm/postgres/change-log.js';
export { postgresChanges, type PostgresChangesOptions } from './typeorm/postgres/postgres-changes.js';
export { changePublication, type ChangePublicationOptions } from './typeorm/postgres/change-publication.js';
export { pgOutputChanges, type PgOutputChangesOptions } from './typeorm/postgres/pg-output.js';
export type { PgOutputParser } from './typeorm/postgres/pg-output-messages.js';
export type { ReplicationClient } from './typeorm/postgres/replication-slot.js';
