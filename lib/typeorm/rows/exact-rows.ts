import type { Change } from '../../invalidation/change.interface.js';
import { UNKNOWN } from '../entities/columns.js';
import { setColumns } from './row-states.js';
import { EntityRowView, layoutOf } from '../entities/row-view.js';
import type { OrmColumn, OrmEntityEvent, ReportedRow } from '../typeorm.interface.js';

type States = Pick<Change, 'before' | 'after' | 'updatedColumns'>;

/**
 * What a bulk statement did to the rows it reported. A DELETE reports them as they were, an UPDATE as they are now: what it set
 * was something else before, and nobody says what.
 *
 * @returns `undefined` where it is not known which columns were set
 */
export function statesOf(
  hook: 'update' | 'remove' | 'softRemove' | 'recover',
  { metadata, entity }: OrmEntityEvent,
  rows: readonly ReportedRow[],
): States[] | undefined {
  const layout = layoutOf(metadata);
  const viewOf = (row: ReportedRow, hides: (column: OrmColumn) => boolean): EntityRowView =>
    new EntityRowView(
      layout,
      layout.columns.map((column) => (row.has(column) && !hides(column) ? row.get(column) : UNKNOWN)),
    );
  if (hook === 'remove')
    return rows.map((row) => ({ before: viewOf(row, () => false), after: null, updatedColumns: undefined }));
  const set = hook === 'update' ? entity : { [metadata.deleteDateColumn?.propertyPath ?? '']: null };
  const updatedColumns = setColumns(metadata, set);
  if (updatedColumns === undefined) return undefined;
  const names = new Set(updatedColumns);
  const isWritten = (column: OrmColumn): boolean =>
    column.asExpression !== undefined ||
    names.has(column.propertyPath) ||
    (column.relationMetadata !== undefined && names.has(column.relationMetadata.propertyPath));
  return rows.map((row) => ({
    before: viewOf(row, isWritten),
    after: viewOf(row, () => false),
    updatedColumns,
  }));
}

/** A reported row as an object: what the sides of a link are read from. */
export function objectOf(row: ReportedRow): object {
  return Object.fromEntries([...row].map(([column, value]) => [column.propertyName, value]));
}
