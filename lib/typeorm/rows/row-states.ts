import type { Change, RowView } from '../../invalidation/change.interface.js';
import {
  isRelated,
  isWrittenByDatabase,
  isWrittenOnEveryUpdate,
  readColumn,
  sameValue,
  UNKNOWN,
} from '../entities/columns.js';
import { EntityRowView, layoutOf } from '../entities/row-view.js';
import { addNames } from '../entities/shared-tables.js';
import type { OrmColumn, OrmEntityEvent, OrmMetadata, ReportedRow } from '../typeorm.interface.js';
import type { AnnouncedStatements } from './announced-statements.js';

/** The row before the change: TypeORM read it before it wrote. Columns that were not selected are unknown. */
export function databaseState(metadata: OrmMetadata, row: object): EntityRowView {
  const layout = layoutOf(metadata);
  return new EntityRowView(
    layout,
    layout.columns.map((column) => known(readColumn(column, row))),
  );
}

/** The row that save() inserted: TypeORM has merged what the database generated into the entity. */
export function savedState(event: OrmEntityEvent): RowView {
  const { metadata } = event;
  const entity = event.entity ?? junctionRow(event);
  return stateOf(metadata, entity, (column) => {
    if (column.isInsert === false) return UNKNOWN;
    if (column.isDiscriminator === true && column.isVirtual) return UNKNOWN;
    const value = known(readColumn(column, entity));
    // With `reload: false` a nullable column that was left to its default reads null.
    return value === null && column.default !== undefined && column.default !== null ? UNKNOWN : value;
  });
}

/** The row of one value set of insert() or a query builder: given values, and generated ones that can be trusted. */
export function insertedState(
  event: OrmEntityEvent,
  announced: AnnouncedStatements | undefined,
  returning: boolean,
): RowView {
  const { metadata } = event;
  const entity = event.entity ?? {};
  const trusted = announced?.trustsGenerated(entity, returning) ?? false;
  const upserted = announced === undefined || announced.onConflict === 'update';
  return stateOf(metadata, entity, (column) => {
    const value = readColumn(column, entity);
    if (isWrittenByDatabase(column)) return trusted ? known(value) : UNKNOWN;
    if (column.isInsert === false || announced?.inserted(column) !== true) return UNKNOWN;
    return value === undefined && column.isNullable && !upserted ? null : known(value);
  });
}

export interface UpdatedRow {
  readonly after: RowView;
  readonly updatedColumns: readonly string[] | undefined;
}

/**
 * The row after save() updated it: new values only for what TypeORM lists as updated, since columns that a partial entity
 * left out read null on it; the rest from the row as it was.
 */
export function updatedState(
  event: OrmEntityEvent,
  row: object,
  announced: AnnouncedStatements | undefined,
): UpdatedRow {
  const { metadata, entity = {} } = event;
  const names = new Set<string>();
  const after = stateOf(metadata, entity, (column) => {
    const before = known(readColumn(column, row));
    const now = known(readColumn(column, entity));
    if (isListed(event, column)) {
      if (column.isUpdate === false) return before;
      addNames(names, column);
      return now;
    }
    if (announced?.wroteUnlisted(column) === true) {
      // Full entities show an unmoved row as it was. A null may be TypeORM's placeholder, so it proves nothing.
      const explicit = !column.isVirtual;
      if (explicit && now !== UNKNOWN && now !== null && sameValue(now, before)) return before;
      addNames(names, column);
      return explicit && now !== null ? now : UNKNOWN;
    }
    if (isWrittenOnEveryUpdate(column)) addNames(names, column);
    else if (column.asExpression === undefined) return before;
    return now === UNKNOWN || sameValue(now, before) ? UNKNOWN : now;
  });
  const listed = (event.updatedColumns?.length ?? 0) + (event.updatedRelations?.length ?? 0) > 0;
  const unlisted = [...metadata.columns].some((column) => announced?.wroteUnlisted(column) === true);
  return { after, updatedColumns: listed || unlisted ? [...names] : undefined };
}

/** The row after softRemove() or recover(), which assign the delete date and the columns of every update, nothing else. */
export function softState(event: OrmEntityEvent, row: object, recovered: boolean): UpdatedRow {
  const { metadata, entity = {} } = event;
  const names = new Set<string>();
  const after = stateOf(metadata, {}, (column) => {
    const before = known(readColumn(column, row));
    if (column.isDeleteDate !== true && !isWrittenOnEveryUpdate(column)) return before;
    addNames(names, column);
    if (column.isDeleteDate === true && recovered) return null;
    const now = known(readColumn(column, entity));
    return now === null || now === UNKNOWN || sameValue(now, before) ? UNKNOWN : now;
  });
  return { after, updatedColumns: [...names] };
}

/** The columns that a bulk UPDATE assigns; `undefined` where a key of its SET is not a known column. */
export function setColumns(metadata: OrmMetadata, values: object | undefined): string[] | undefined {
  if (values === undefined) return undefined;
  const names = new Set<string>();
  const keys = new Set(
    Object.keys(values).filter((key) => (values as Record<string, unknown>)[key] !== undefined),
  );
  const unread = new Set(keys);
  for (const column of layoutOf(metadata).columns) {
    const relationPath = column.relationMetadata?.propertyPath;
    const heads = [column.databaseName];
    if (!column.isVirtual) heads.push(column.propertyPath);
    if (relationPath !== undefined) heads.push(relationPath);
    const set = heads.some((path) => keys.has(path)) || readColumn(column, values) !== undefined;
    if (set || isWrittenOnEveryUpdate(column)) addNames(names, column);
    if (set) for (const path of heads) unread.delete(path.split('.')[0]!);
  }
  return unread.size === 0 && keys.size > 0 ? [...names] : undefined;
}

function isListed(event: OrmEntityEvent, column: OrmColumn): boolean {
  if (event.updatedColumns?.includes(column) === true) return true;
  return (
    column.relationMetadata !== undefined &&
    event.updatedRelations?.includes(column.relationMetadata) === true
  );
}

function stateOf(metadata: OrmMetadata, entity: object, valueOf: (column: OrmColumn) => unknown): RowView {
  const layout = layoutOf(metadata);
  const values = layout.columns.map(valueOf);
  let related: Map<string, object> | undefined;
  for (const [path, { relation, positions }] of layout.relations) {
    const value = relation.getEntityValue(entity);
    if (!isRelated(value) || Object.keys(value).length <= positions.length) continue;
    const same = positions.every((position) => {
      const referenced = layout.columns[position]!.referencedColumn!;
      return sameValue(readColumn(referenced, value), values[position]);
    });
    if (same) (related ??= new Map()).set(path, { ...value });
  }
  return new EntityRowView(layout, values, related, true);
}

function known(value: unknown): unknown {
  // A function is an SQL expression for a query builder.
  return value === undefined || typeof value === 'function' ? UNKNOWN : value;
}

function junctionRow(event: OrmEntityEvent): object {
  return typeof event.entityId === 'object' && event.entityId !== null ? event.entityId : {};
}

type States = Pick<Change, 'before' | 'after' | 'updatedColumns'>;

/**
 * The states of rows that a bulk statement reported. A DELETE reports them as they were, an UPDATE as they are now, so old values
 * of the assigned columns are unknown.
 *
 * @returns `undefined` where the assigned columns are unknown
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

/** A reported row as an object, from which the sides of a link are read. */
export function objectOf(row: ReportedRow): object {
  return Object.fromEntries([...row].map(([column, value]) => [column.propertyName, value]));
}
