import type { Change, ChangeType } from '../../invalidation/change.interface.js';
import type { AnnouncedStatements } from './announced-statements.js';
import { tableOf } from '../entities/columns.js';
import type { Dependent } from '../entities/entity-paths.js';
import {
  databaseState,
  insertedState,
  objectOf,
  savedState,
  setColumns,
  softState,
  statesOf,
  updatedState,
} from './row-states.js';
import { sidesOf, type KnownTables } from '../entities/tables.js';
import type { OrmEntityEvent, OrmMetadata, ReportedRow } from '../typeorm.interface.js';

export type RowHook = 'insert' | 'update' | 'remove' | 'softRemove' | 'recover';
type Row = Pick<Change, 'type' | 'id' | 'before' | 'after' | 'updatedColumns'>;

/** The changes that an `after` hook tells: of the row itself, then of rows that the database changes because of it. */
export function changesOf(
  hook: RowHook,
  event: OrmEntityEvent,
  announced: AnnouncedStatements | undefined,
  tables: KnownTables,
  returning: boolean,
): Change[] {
  const { metadata } = event;
  const reported = hook === 'insert' ? undefined : reportedChanges(hook, event, announced?.rows);
  if (reported?.length === 0) return [];
  const row = reported?.[0] ?? ROWS[hook](event, announced, returning);
  const changes = reported ?? [changeOf(metadata, row)];
  if (metadata.isJunction && reported === undefined) changes.push(...sidesOf(metadata, junctionRow(event)));
  if (hook === 'remove') changes.push(...dependentsOf(event, tables, reported !== undefined));
  if (hook === 'update' && movesKey(metadata, row, tables))
    changes.push(...followingChanges(tableOf(metadata), tables));
  // TypeORM moves the positions, paths and closures of other rows of a tree by SQL without hooks.
  if (
    metadata.treeType === 'nested-set' ||
    metadata.treeType === 'materialized-path' ||
    movesSubtree(metadata, row)
  )
    changes.push(unknownChange(metadata));
  if (metadata.closureJunctionTable !== undefined) changes.push(unknownChange(metadata.closureJunctionTable));
  return changes;
}

/** A write of which only the table is known, and the changes that follow from it. */
export function unknownChanges(
  table: string,
  tables: KnownTables,
  deletes: boolean,
  truncates: boolean,
): Change[] {
  const metadata = tables.roots.get(table);
  if (metadata === undefined) return [];
  const changes = [unknownChange(metadata)];
  if (metadata.isJunction) changes.push(...sidesOf(metadata, undefined));
  const dependents = truncates ? tables.referrers : deletes ? tables.dependents : undefined;
  for (const dependent of dependents?.get(table) ?? []) changes.push(...dependentChanges(dependent));
  return changes;
}

/** Changes that follow when rows of a table get other keys (ON UPDATE). */
export function followingChanges(table: string, tables: KnownTables): Change[] {
  return (tables.followers.get(table) ?? []).flatMap((follower) =>
    dependentChanges({ ...follower, effect: 'update' }),
  );
}

function unknownChange(metadata: OrmMetadata): Change {
  return changeOf(metadata, rowsUnknown('unknown', undefined));
}

/** One change for each row that a bulk statement reported. */
function reportedChanges(
  hook: Exclude<RowHook, 'insert'>,
  event: OrmEntityEvent,
  rows: readonly ReportedRow[] | undefined,
): Change[] | undefined {
  const { metadata } = event;
  const states = rows && statesOf(hook, event, rows);
  return states?.flatMap((state, i) => {
    const id = idOf(metadata, (state.after ?? state.before)!);
    const change = changeOf(metadata, { type: hook, id, ...state });
    return metadata.isJunction ? [change, ...sidesOf(metadata, objectOf(rows![i]!))] : [change];
  });
}

const ROWS: Record<
  RowHook,
  (event: OrmEntityEvent, announced: AnnouncedStatements | undefined, returning: boolean) => Row
> = {
  insert(event, announced, returning) {
    if (event.entityId !== undefined) {
      return {
        type: 'insert',
        id: event.entityId,
        before: null,
        after: savedState(event),
        updatedColumns: undefined,
      };
    }
    const after = insertedState(event, announced, returning);
    // An upsert may have updated a row that existed, and its hook looks like that of any insert.
    if (announced === undefined || announced.onConflict === 'update') {
      return { type: 'unknown', id: undefined, before: undefined, after, updatedColumns: undefined };
    }
    return {
      type: 'insert',
      id: idOf(event.metadata, after),
      before: null,
      after,
      updatedColumns: undefined,
    };
  },
  update(event, announced) {
    const { metadata, entity, databaseEntity } = event;
    if (databaseEntity === undefined) return rowsUnknown('update', setColumns(metadata, entity));
    return {
      type: 'update',
      id: metadata.getEntityIdMixedMap(databaseEntity),
      before: databaseState(metadata, databaseEntity),
      ...updatedState(event, databaseEntity, announced),
    };
  },
  remove(event) {
    const { metadata, databaseEntity, entityId } = event;
    if (entityId === undefined) return { ...rowsUnknown('remove', undefined), after: null };
    const row = databaseEntity ?? (metadata.isJunction ? (entityId as object) : undefined);
    return {
      type: 'remove',
      id: entityId,
      before: row && databaseState(metadata, row),
      after: null,
      updatedColumns: undefined,
    };
  },
  softRemove: (event) => softChange('softRemove', event),
  recover: (event) => softChange('recover', event),
};

function softChange(type: 'softRemove' | 'recover', event: OrmEntityEvent): Row {
  const { metadata, databaseEntity } = event;
  const written = setColumns(metadata, { [metadata.deleteDateColumn?.propertyPath ?? '']: null });
  if (databaseEntity === undefined) return rowsUnknown(type, written);
  return {
    type,
    id: metadata.getEntityIdMixedMap(databaseEntity),
    before: databaseState(metadata, databaseEntity),
    ...softState(event, databaseEntity, type === 'recover'),
  };
}

function rowsUnknown(type: ChangeType, updatedColumns: readonly string[] | undefined): Row {
  return { type, id: undefined, before: undefined, after: undefined, updatedColumns };
}

/** The change of a row. Written out, since spreading objects costs more than the rest of a save here (`npm run bench -- typeorm`). */
export function changeOf(metadata: OrmMetadata, { type, id, before, after, updatedColumns }: Row): Change {
  const { target } = metadata;
  return {
    table: tableOf(metadata),
    entityName: metadata.name,
    entity: typeof target === 'function' ? target : undefined,
    type,
    id,
    before,
    after,
    updatedColumns,
  };
}

/** The id in the primary columns of a state: insert() has no entityId. `undefined` where one of them is unknown. */
export function idOf(metadata: OrmMetadata, after: NonNullable<Row['after']>): unknown {
  const readings = metadata.primaryColumns.map(
    (column) => [column.propertyPath, after.read(column.propertyPath)] as const,
  );
  if (readings.some(([, reading]) => !reading.known)) return undefined;
  const values = readings.map(
    ([path, reading]) => [path, reading.known ? reading.value : undefined] as const,
  );
  return metadata.hasMultiplePrimaryKeys ? Object.fromEntries(values) : values[0]?.[1];
}

function junctionRow(event: OrmEntityEvent): object | undefined {
  if (typeof event.entityId === 'object' && event.entityId !== null) return event.entityId;
  return event.databaseEntity ?? event.entity;
}

/** Changes by ON DELETE, which has no hooks. remove() of a loaded row deletes its links itself, with hooks. */
function dependentsOf(
  { metadata, databaseEntity, entityId }: OrmEntityEvent,
  tables: KnownTables,
  isReported: boolean,
): Change[] {
  const told = new Set(
    databaseEntity === undefined || entityId === undefined
      ? []
      : metadata.manyToManyRelations
          .filter((relation) => relation.persistenceEnabled !== false)
          .map((relation) => relation.junctionEntityMetadata),
  );
  return (tables.dependents.get(tableOf(metadata)) ?? [])
    .filter((dependent) => !(dependent.direct && told.has(dependent.metadata)))
    .flatMap((dependent) => {
      const changes = dependentChanges(dependent);
      // Links of reported rows: their own side is reported already.
      const isLinkOfReported = isReported && dependent.direct && linksOthers(dependent.metadata);
      return isLinkOfReported ? changes.filter(({ table }) => table !== tableOf(metadata)) : changes;
    });
}

/** True if a junction links two tables, not a table with itself. */
function linksOthers(junction: OrmMetadata): boolean {
  if (!junction.isJunction) return false;
  const [one, other] = [junction.ownerColumns, junction.inverseColumns].map(
    ([column]) => column?.referencedColumn?.entityMetadata,
  );
  return one !== undefined && other !== undefined && tableOf(one) !== tableOf(other);
}

function dependentChanges(dependent: Dependent): Change[] {
  const { metadata, effect, columns } = dependent;
  const row =
    effect === 'remove'
      ? { ...rowsUnknown('remove', undefined), after: null }
      : rowsUnknown('update', columns);
  const changes = [changeOf(metadata, row)];
  return metadata.isJunction ? [...changes, ...sidesOf(metadata, undefined)] : changes;
}

/** True if a node of a closure tree moved to another parent: all nodes below it get other ancestors. */
function movesSubtree({ closureJunctionTable, treeParentRelation }: OrmMetadata, row: Row): boolean {
  if (closureJunctionTable === undefined || row.type !== 'update' || treeParentRelation === undefined)
    return false;
  return row.updatedColumns?.includes(treeParentRelation.propertyPath) !== false;
}

function movesKey(metadata: OrmMetadata, { updatedColumns }: Row, tables: KnownTables): boolean {
  if (updatedColumns === undefined) return false;
  for (const { propertyPath } of tables.referenced.get(tableOf(metadata)) ?? [])
    if (updatedColumns.includes(propertyPath)) return true;
  return false;
}
