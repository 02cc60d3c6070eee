import type { Change, RowChange } from '../../invalidation/change.interface.js';
import { idOf, changeOf, unknownChanges } from '../rows/changes.js';
import { UNKNOWN } from '../entities/columns.js';
import { sidesOf, type Tables } from '../entities/tables.js';
import { addNames } from '../rows/row-states.js';
import { EntityRowView, layoutOf } from '../entities/row-view.js';
import type { OrmColumn, OrmMetadata } from '../typeorm.interface.js';

/** Types whose JSON is what the driver answers too. Of any other the value is unknown, and rules that need it widen. */
const PLAIN =
  /^(?:int[24]?|integer|smallint|varchar|character varying|text|citext|char|character|uuid|bool|boolean|real|float[48]?|double precision|enum|simple-enum|string|number)$/;

type Hydrating = { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };
type Row = Readonly<Record<string, unknown>>;

/** What a change of a row by somebody else means for the entities of its table. */
export function changesOfRow(row: RowChange, tables: Tables, driver: object): Change[] {
  const metadata = tables.roots.get(row.table);
  if (metadata === undefined) return [];
  const { type, before, after } = row;
  if (type === 'unknown' || (before ?? after) == null) return unknownChanges(row.table, tables, false, false);
  const viewOf = (data: Row | null | undefined): EntityRowView | null =>
    data == null ? null : viewOfRow(metadata, data, driver as Hydrating);
  const [was, is] = [viewOf(before), viewOf(after)];
  const change = changeOf(metadata, {
    type,
    id: idOf(metadata, (is ?? was)!),
    before: was,
    after: is,
    updatedColumns: before != null && after != null ? namesOfChanged(metadata, before, after) : undefined,
  });
  return metadata.isJunction
    ? [change, ...sidesOf(metadata, objectOf(metadata, (after ?? before)!))]
    : [change];
}

function viewOfRow(metadata: OrmMetadata, data: Row, driver: Hydrating): EntityRowView {
  const layout = layoutOf(metadata);
  return new EntityRowView(
    layout,
    layout.columns.map((column) => {
      const value = data[column.databaseName];
      if (value === undefined || value === null) return value ?? UNKNOWN;
      const plain = column.isArray === true ? UNKNOWN : plainOf(value, column);
      return plain === UNKNOWN ? UNKNOWN : driver.prepareHydratedValue(plain, column);
    }),
  );
}

function plainOf(value: unknown, { type }: OrmColumn): unknown {
  const name = typeof type === 'function' ? type.name.toLowerCase() : String(type);
  if (PLAIN.test(name)) return value;
  // The driver answers text; what JSON.parse() rounded is not it.
  return /^(?:bigint|int8)$/.test(name) && Number.isSafeInteger(value) ? String(value) : UNKNOWN;
}

function namesOfChanged({ columns }: OrmMetadata, before: Row, after: Row): string[] {
  const names = new Set<string>();
  for (const column of columns) {
    const { databaseName } = column;
    if (JSON.stringify(before[databaseName]) !== JSON.stringify(after[databaseName])) addNames(names, column);
  }
  return [...names];
}

function objectOf({ columns }: OrmMetadata, data: Row): object {
  return Object.fromEntries(columns.map((column) => [column.propertyName, data[column.databaseName]]));
}
