export { isDataSource } from './data-source.js';
export { DataSourceAttacher } from './data-source-attacher.js';
