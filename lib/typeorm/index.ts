export { attachCollector, isDataSource, type CollectorHandle } from './data-source.js';
export { DataSourceAttacher } from './data-source-attacher.js';
export type { CollectorOptions } from './outlet.js';
export {
  describeEntity,
  entityClasses,
  entityColumns,
  entityTable,
  type EntityDescription,
  type EntityReference,
} from './entities.js';
export { MAX_CHANGES_PER_TABLE } from './pending.js';
export type { OrmDataSource } from './typeorm.interface.js';
