import type { Change, ChangeType } from '../../invalidation/change.interface.js';
import type { AnnouncedStatements } from './announced-statements.js';
import { tableOf } from '../entities/columns.js';
import { EntityRowView } from '../entities/row-view.js';
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
import { columnsNamed, idOf, isSameEntity } from '../entities/shared-tables.js';
import { linkRow, sidesOf, type KnownTables } from '../entities/tables.js';
import type { EntityTableChange, OrmEntityEvent, OrmMetadata, ReportedRow } from '../typeorm.interface.js';

export type RowHook = 'insert' | 'update' | 'remove' | 'softRemove' | 'recover';
type Row = Pick<Change, 'type' | 'id' | 'before' | 'after' | 'updatedColumns'>;

/** The changes that an `after` hook tells: of the row itself, then of rows that the database changes because of it. */
export function changesOf(
  hook: RowHook,
  event: OrmEntityEvent,
  announced: AnnouncedStatements | undefined,
  tables: KnownTables,
  returning: boolean,
): EntityTableChange[] {
  const { metadata } = event;
  const reported = hook === 'insert' ? undefined : reportedChanges(hook, event, announced?.rows);
  if (reported?.length === 0) return [];
  const row = reported?.[0] ?? ROWS[hook](event, announced, returning);
  const changes = reported ?? [changeOf(metadata, row)];
  changes.push(...changes.flatMap((change) => linksOf(change, tables)));
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
): EntityTableChange[] {
  const metadata = tables.roots.get(table);
  const removes = truncates ? 'all' : deletes ? 'rows' : undefined;
  const unknown = metadata === undefined ? unknownTable(table) : unknownChange(metadata);
  const changes: EntityTableChange[] = [removes === undefined ? unknown : { ...unknown, removes }];
  changes.push(...tables.junctionsOn(table).flatMap((junction) => sidesOf(junction, undefined)));
  const dependents = truncates ? tables.referrersOf(table) : deletes ? tables.dependentsOf(table) : [];
  for (const dependent of dependents) changes.push(...dependentChanges(dependent, tables));
  return changes;
}

/** Changes that follow when rows of a table get other keys (ON UPDATE). */
export function followingChanges(table: string, tables: KnownTables): EntityTableChange[] {
  return tables
    .followersOf(table)
    .flatMap((follower) => dependentChanges({ ...follower, effect: 'update' }, tables));
}

function unknownChange(metadata: OrmMetadata): EntityTableChange {
  return changeOf(metadata, rowsUnknown('unknown', undefined));
}

/** A write on a table that no entity is mapped onto. */
function unknownTable(table: string): EntityTableChange {
  return { table, entityName: table, entity: undefined, ...rowsUnknown('unknown', undefined) };
}

/**
 * The changes of both sides of many-to-many links that an entity on the table of their junction holds. Those of a junction itself
 * are made from its hook, which shows more of its row.
 */
function linksOf(change: EntityTableChange, tables: KnownTables): EntityTableChange[] {
  return tables
    .junctionsOn(change.table)
    .filter((junction) => !isSameEntity(junction, change.metadata!))
    .flatMap((junction) => sidesOfChange(junction, change));
}

/** The changes of both sides of a link, from the states of its row by any entity on the table. */
export function sidesOfChange(junction: OrmMetadata, { before, after }: Change): EntityTableChange[] {
  if (before === undefined || after === undefined) return sidesOf(junction, undefined);
  return [before, after].flatMap((state) =>
    state === null ? [] : sidesOf(junction, linkRow(junction, state)),
  );
}

/** One change for each row that a bulk statement reported. */
function reportedChanges(
  hook: Exclude<RowHook, 'insert'>,
  event: OrmEntityEvent,
  rows: readonly ReportedRow[] | undefined,
): EntityTableChange[] | undefined {
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
    const updated = updatedState(event, databaseEntity, announced);
    const before = databaseState(metadata, databaseEntity);
    return {
      type: 'update',
      id: metadata.getEntityIdMixedMap(databaseEntity),
      // A relation that was loaded and left as it was is that of the row before, too.
      before: updated.after instanceof EntityRowView ? before.withRelatedOf(updated.after) : before,
      ...updated,
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
export function changeOf(
  metadata: OrmMetadata,
  { type, id, before, after, updatedColumns }: Row,
): EntityTableChange {
  const { target } = metadata;
  return {
    metadata,
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

function junctionRow(event: OrmEntityEvent): object | undefined {
  if (typeof event.entityId === 'object' && event.entityId !== null) return event.entityId;
  return event.databaseEntity ?? event.entity;
}

/** Changes by ON DELETE, which has no hooks. remove() of a loaded row deletes its links itself, with hooks. */
function dependentsOf(
  { metadata, databaseEntity, entityId }: OrmEntityEvent,
  tables: KnownTables,
  isReported: boolean,
): EntityTableChange[] {
  const told = new Set(
    databaseEntity === undefined || entityId === undefined
      ? []
      : metadata.manyToManyRelations
          .filter((relation) => relation.persistenceEnabled !== false)
          .flatMap(({ junctionEntityMetadata: junction }) =>
            junction === undefined
              ? []
              : [junction.ownerColumns, junction.inverseColumns].map((columns) =>
                  keyOf(
                    junction,
                    columns.map(({ databaseName }) => databaseName),
                  ),
                ),
          ),
  );
  return tables
    .dependentsOf(tableOf(metadata))
    .filter((dependent) => !(dependent.direct && told.has(keyOf(dependent.metadata, dependent.keys))))
    .flatMap((dependent) => {
      const changes = dependentChanges(dependent, tables);
      // Links of reported rows: their own side is reported already.
      const isLinkOfReported = isReported && dependent.direct && linksOthers(dependent.metadata);
      return isLinkOfReported ? changes.filter(({ table }) => table !== tableOf(metadata)) : changes;
    });
}

/** The columns of a table that refer to another one. */
function keyOf(metadata: OrmMetadata, columns: readonly string[]): string {
  return JSON.stringify([tableOf(metadata), ...columns]);
}

/** True if a junction links two tables, not a table with itself. */
function linksOthers(junction: OrmMetadata): boolean {
  if (!junction.isJunction) return false;
  const [one, other] = [junction.ownerColumns, junction.inverseColumns].map(
    ([column]) => column?.referencedColumn?.entityMetadata,
  );
  return one !== undefined && other !== undefined && tableOf(one) !== tableOf(other);
}

function dependentChanges(dependent: Dependent, tables: KnownTables): EntityTableChange[] {
  const { metadata, effect, columns, table } = dependent;
  const row =
    effect === 'remove'
      ? { ...rowsUnknown('remove', undefined), after: null }
      : rowsUnknown('update', columns);
  const sides = tables.junctionsOn(table).flatMap((junction) => sidesOf(junction, undefined));
  return [changeOf(metadata, row), ...sides];
}

/** True if a node of a closure tree moved to another parent: all nodes below it get other ancestors. */
function movesSubtree({ closureJunctionTable, treeParentRelation }: OrmMetadata, row: Row): boolean {
  if (closureJunctionTable === undefined || row.type !== 'update' || treeParentRelation === undefined)
    return false;
  return row.updatedColumns?.includes(treeParentRelation.propertyPath) !== false;
}

function movesKey(metadata: OrmMetadata, { updatedColumns }: Row, tables: KnownTables): boolean {
  if (updatedColumns === undefined || tables.followersOf(tableOf(metadata)).length === 0) return false;
  const referenced = tables.referencedOf(tableOf(metadata));
  return updatedColumns.some((name) =>
    columnsNamed(metadata, name).some(({ databaseName }) => referenced.has(databaseName)),
  );
}
