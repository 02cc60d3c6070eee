import type { Change } from '../../invalidation/change.interface.js';
import type { EntityTableChange, OrmColumn, OrmMetadata } from '../typeorm.interface.js';
import { tableOf } from './columns.js';
import { EntityRowView, layoutOf } from './row-view.js';

/** Whether two metadata are of one class, view or junction: several DataSources of a database may have it. */
export function isSameEntity(one: OrmMetadata, other: OrmMetadata): boolean {
  if (one === other) return true;
  if (one.target !== other.target || one.name !== other.name || tableOf(one) !== tableOf(other)) return false;
  return one.isJunction === other.isJunction && (!one.isJunction || linkOf(one) === linkOf(other));
}

function linkOf({ ownerColumns, inverseColumns }: OrmMetadata): string {
  return [ownerColumns, inverseColumns]
    .map((columns) =>
      columns.map(
        ({ databaseName, referencedColumn, relationMetadata }) =>
          `${databaseName} ${referencedColumn && tableOf(referencedColumn.entityMetadata)} ${relationMetadata?.propertyPath}`,
      ),
    )
    .join('|');
}

/** Whether an entity is the other one or a child of it in an inheritance tree on one table: it has its properties. */
export function isKindOf(metadata: OrmMetadata, other: OrmMetadata): boolean {
  for (let one: OrmMetadata | undefined = metadata; one !== undefined; one = one.parentEntityMetadata)
    if (isSameEntity(one, other)) return true;
  return false;
}

/** A change by the properties of another entity on the table. Its values are found by the columns of the database. */
export function changeAs(change: EntityTableChange, metadata: OrmMetadata): EntityTableChange {
  const layout = layoutOf(metadata);
  const viewOf = (view: Change['before']): Change['before'] =>
    view instanceof EntityRowView ? view.as(layout) : view === null ? null : undefined;
  const [before, after] = [viewOf(change.before), viewOf(change.after)];
  return {
    metadata,
    table: tableOf(metadata),
    entityName: metadata.name,
    entity: typeof metadata.target === 'function' ? metadata.target : undefined,
    type: change.type,
    id: idOf(metadata, after ?? before),
    before,
    after,
    updatedColumns: namesAs(change, metadata),
  };
}

/** The changed columns and relations by the names of another entity; `undefined` where they are not known. */
function namesAs(
  { updatedColumns, metadata: from }: EntityTableChange,
  to: OrmMetadata,
): string[] | undefined {
  if (updatedColumns === undefined || from === undefined) return undefined;
  const names = new Set<string>();
  for (const name of updatedColumns) {
    const columns = columnsNamed(from, name);
    const junction = from.relations.find(({ propertyPath }) => propertyPath === name)?.junctionEntityMetadata;
    if (columns.length === 0 && junction === undefined) return undefined;
    const databaseNames = new Set(columns.map(({ databaseName }) => databaseName));
    for (const column of to.columns) if (databaseNames.has(column.databaseName)) addNames(names, column);
    for (const { propertyPath, junctionEntityMetadata: other } of to.relations)
      if (junction !== undefined && other !== undefined && tableOf(other) === tableOf(junction))
        names.add(propertyPath);
  }
  return [...names];
}

/** The columns that a name of a change stands for: a foreign key has two names, its property and its relation. */
export function columnsNamed({ columns }: OrmMetadata, name: string): OrmMetadata['columns'] {
  return columns.filter(
    ({ isVirtual, entityMetadata, propertyPath, relationMetadata }) =>
      relationMetadata?.propertyPath === name ||
      ((!isVirtual || entityMetadata.isJunction) &&
        (propertyPath === name || propertyPath.startsWith(`${name}.`))),
  );
}

/** A foreign key has two names, its property and its relation: rules may watch either. */
export function addNames(names: Set<string>, column: OrmColumn): void {
  if (!column.isVirtual) names.add(column.propertyPath);
  if (column.relationMetadata !== undefined) names.add(column.relationMetadata.propertyPath);
}

/** The id in the primary columns of a state: insert() has no entityId. `undefined` where one of them is unknown. */
export function idOf(metadata: OrmMetadata, state: Change['after']): unknown {
  if (!state) return undefined;
  const readings = metadata.primaryColumns.map(
    (column) => [column.propertyPath, state.read(column.propertyPath)] as const,
  );
  if (readings.length === 0 || readings.some(([, reading]) => !reading.known)) return undefined;
  const values = readings.map(
    ([path, reading]) => [path, reading.known ? reading.value : undefined] as const,
  );
  return metadata.hasMultiplePrimaryKeys ? Object.fromEntries(values) : values[0]?.[1];
}
