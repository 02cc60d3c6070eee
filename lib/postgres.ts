export { changeTriggers, type ChangeTriggersOptions } from './typeorm/postgres/change-triggers.js';
export type { ListeningClient } from './typeorm/postgres/change-log.js';
export { postgresChanges, type PostgresChangesOptions } from './typeorm/postgres/postgres-changes.js';
