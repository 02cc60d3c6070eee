export { pgBossDispatcher, type PgBossOptions } from './dispatchers/pg-boss/pg-boss.dispatcher.js';
export type { PgBossLike } from './dispatchers/pg-boss/pg-boss.interface.js';
