export { binlogChanges, type BinlogChangesOptions } from './typeorm/mysql/binlog-changes.js';
export type { BinlogClient, BinlogReader } from './typeorm/mysql/binlog-server.js';
