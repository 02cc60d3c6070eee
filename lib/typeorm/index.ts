export { isDataSource } from './data-source.js';
export { DataSourceAttacher } from './data-source-attacher.js';
export { schemaOf } from './entities/entities.js';
export type { OrmDataSource } from './typeorm.interface.js';
export { type DataSourceHost, ProcessDataSources, runningApplications } from './process-data-sources.js';
