import type { Change } from '../../invalidation/change.interface.js';
import { readColumn, tableOf, UNKNOWN } from './columns.js';
import { EntityRowView, layoutOf } from './row-view.js';
import type { OrmColumn, OrmMetadata } from '../typeorm.interface.js';

/**
 * A link made or cut in a many-to-many relation changes what both sides show, though TypeORM reports only the junction's
 * row. `row` is what is known of it; without it the rows of both sides are unknown.
 */
export function sidesOf(junction: OrmMetadata, row: object | undefined): Change[] {
  const relation = junction.ownerColumns[0]?.relationMetadata;
  const owning = relation?.isOwning === false ? relation.inverseRelation : relation;
  const changes: Change[] = [];
  for (const [columns, path] of [
    [junction.ownerColumns, owning?.propertyPath],
    [junction.inverseColumns, owning?.inverseRelation?.propertyPath],
  ] as const) {
    const metadata = columns[0]?.referencedColumn?.entityMetadata;
    if (metadata !== undefined) changes.push(sideChange(metadata, columns, path, row));
  }
  return changes;
}

function sideChange(
  metadata: OrmMetadata,
  columns: readonly OrmColumn[],
  relationPath: string | undefined,
  row: object | undefined,
): Change {
  const base = {
    table: tableOf(metadata),
    entityName: metadata.name,
    entity: typeof metadata.target === 'function' ? metadata.target : undefined,
    type: 'update' as const,
    updatedColumns: relationPath === undefined ? [] : [relationPath],
  };
  const given = new Map(columns.map((column) => [column.referencedColumn, row && readColumn(column, row)]));
  if ([...given.values()].some((value) => value === undefined || value === null)) {
    return { ...base, id: undefined, before: undefined, after: undefined };
  }
  const layout = layoutOf(metadata);
  const view = new EntityRowView(
    layout,
    layout.columns.map((column) => (given.has(column) ? given.get(column) : UNKNOWN)),
  );
  return { ...base, id: idFrom(metadata, given), before: view, after: view };
}

function idFrom(metadata: OrmMetadata, given: ReadonlyMap<OrmColumn | undefined, unknown>): unknown {
  if (!metadata.primaryColumns.every((column) => given.has(column))) return undefined;
  if (!metadata.hasMultiplePrimaryKeys) return given.get(metadata.primaryColumns[0]);
  return Object.fromEntries(
    metadata.primaryColumns.map((column) => [column.propertyPath, given.get(column)]),
  );
}
