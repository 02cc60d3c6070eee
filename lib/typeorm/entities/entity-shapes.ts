import type { EntityProperty, EntityShape } from '../../invalidation/index.js';
import { entityColumns, type EntityReference, findMetadata } from './entities.js';
import { followPath } from './entity-paths.js';
import type { OrmDataSource } from '../typeorm.interface.js';

const KINDS = { relation: 'whole', many: 'many', part: 'whole' } as const;

/** What the boot advisor is told of an entity; `undefined` when this DataSource does not know it. */
export function entityShape(dataSource: OrmDataSource, entity: EntityReference): EntityShape | undefined {
  const metadata = findMetadata(dataSource, entity);
  if (metadata === undefined) return undefined;
  return {
    isView: metadata.tableType === 'view',
    paths: entityColumns(dataSource, entity)!,
    property(path): EntityProperty | undefined {
      const end = followPath(metadata, path);
      if (end === undefined) return undefined;
      const owner = end.joins.at(-1)?.inverseEntityMetadata ?? metadata;
      const kind = end.kind === 'column' ? (end.joins.length > 0 ? 'related' : 'column') : KINDS[end.kind];
      const { column } = end;
      return {
        kind,
        entityName: owner.name,
        isNullable: column?.isNullable !== false || end.joins.length > 0,
        ...(Array.isArray(column?.enum) && { choices: column.enum }),
      };
    },
  };
}
