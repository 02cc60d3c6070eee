import type { OrmColumn, OrmMetadata } from '../typeorm.interface.js';

/** Stands for a value that nobody told us. Never leaves this room. */
export const UNKNOWN: unique symbol = Symbol('unknown');

/** The value at a dotted path of properties; `undefined` as soon as a step is missing. */
function valueAt(object: unknown, path: string): unknown {
  if (!path.includes('.')) return (object as Record<string, unknown> | null | undefined)?.[path];
  let value = object;
  for (const step of path.split('.')) {
    if (value === null || value === undefined) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/**
 * What an entity-like object says about a column; `undefined` when it says nothing. A join column is read from the
 * relation first, as TypeORM does when it persists. Relations are asked through their metadata: touching the property of
 * a lazy relation would start a query from inside a hook.
 */
export function readColumn(column: OrmColumn, entity: object): unknown {
  const relation = column.relationMetadata;
  if (relation === undefined || column.referencedColumn === undefined || column.entityMetadata.isJunction) {
    return plain(valueAt(entity, column.propertyPath), column);
  }
  const related = relation.getEntityValue(entity);
  if (related === null) return null;
  if (isRelated(related)) return readColumn(column.referencedColumn, related);
  if (related !== undefined) return related;
  return column.isVirtual ? undefined : valueAt(entity, column.propertyPath);
}

/** Junction columns and primary join columns are sometimes given as the related object instead of its id. */
function plain(value: unknown, column: OrmColumn): unknown {
  return column.referencedColumn !== undefined && isRelated(value)
    ? readColumn(column.referencedColumn, value)
    : value;
}

export function isRelated(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Date) && !ArrayBuffer.isView(value)
  );
}

/** Columns whose value the database decides: what an entity in memory says about them is only true after a reload. */
export function isWrittenByDatabase(column: OrmColumn): boolean {
  return (
    column.isGenerated ||
    column.isCreateDate === true ||
    column.isVersion === true ||
    column.asExpression !== undefined ||
    (column.default !== undefined && column.default !== null) ||
    isWrittenOnEveryUpdate(column)
  );
}

export function isWrittenOnEveryUpdate(column: OrmColumn): boolean {
  return column.isUpdateDate === true || column.isVersion === true || column.onUpdate !== undefined;
}

export function tableOf(metadata: OrmMetadata): string {
  return metadata.tablePath.toLowerCase();
}

export function sameValue(one: unknown, other: unknown): boolean {
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime();
  return Object.is(one, other);
}
