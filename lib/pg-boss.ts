export { pgBossDispatcher, type PgBossOptions } from './dispatchers/pg-boss.dispatcher.js';
export type { PgBossLike } from './dispatchers/pg-boss.interface.js';
