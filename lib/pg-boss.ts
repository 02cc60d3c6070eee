export { pgBossDispatcher, type PgBossOptions, type PgBossLike } from './dispatchers/pg-boss.dispatcher.js';
