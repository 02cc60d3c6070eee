import type { RowChange } from '../../invalidation/change.interface.js';
import { UNKNOWN } from '../entities/columns.js';
import { EntityRowView, layoutOf } from '../entities/row-view.js';
import { addNames, idOf } from '../entities/shared-tables.js';
import type { KnownTables } from '../entities/tables.js';
import type { EntityTableChange, OrmColumn, OrmMetadata } from '../typeorm.interface.js';
import { changeOf, sidesOfChange, unknownChanges } from './changes.js';

/** Types with the same value in JSON as from the driver. Values of any other type are unknown, and rules that need them widen. */
const PLAIN =
  /^(?:int[24]?|integer|(?:tiny|small|medium)int|varchar|character varying|text|citext|char|character|uuid|bool|boolean|real|float[48]?|double precision|enum|simple-enum|string|number)$/;

type Hydrating = { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };
type Row = Readonly<Record<string, unknown>>;

/** The changes of entities that follow from the change of a row by another program. */
export function changesOfRow(row: RowChange, tables: KnownTables): EntityTableChange[] {
  const known = tables.related(row.table).filter((table) => tables.roots.has(table));
  const metadata = known.length === 0 ? undefined : tables.roots.get(known[0]!);
  const { type, before, after } = row;
  // Its entities may name the table without its schema.
  if (metadata === undefined || type === 'unknown' || (before ?? after) == null)
    return (metadata === undefined ? [row.table] : known).flatMap((table) =>
      unknownChanges(table, tables, false, false),
    );
  const { driver } = (metadata.dataSource ?? metadata.connection)!;
  const valueOf = row.encoding === 'driver' ? queriedOf : plainOf;
  // A row that did not exist before, or does not after, is left out like one that is not known.
  const viewOf = (data: Row | null | undefined, isAbsent: boolean): EntityRowView | null | undefined =>
    data == null
      ? isAbsent || data === null
        ? null
        : undefined
      : viewOfRow(metadata, data, driver as Hydrating, valueOf);
  const was = viewOf(before, type === 'insert');
  const is = viewOf(after, type === 'remove');
  const change = changeOf(metadata, {
    type,
    id: idOf(metadata, (is ?? was)!),
    before: was,
    after: is,
    updatedColumns:
      before && after && isWhole(before, after) ? namesOfChanged(metadata, before, after) : undefined,
  });
  return [change, ...tables.junctionsOn(row.table).flatMap((junction) => sidesOfChange(junction, change))];
}

function viewOfRow(
  metadata: OrmMetadata,
  data: Row,
  driver: Hydrating,
  valueOf: typeof plainOf,
): EntityRowView {
  const layout = layoutOf(metadata);
  return new EntityRowView(
    layout,
    layout.columns.map((column) => {
      const value = data[column.databaseName];
      if (value === undefined || value === null) return value ?? UNKNOWN;
      const read = valueOf(value, column);
      return read === UNKNOWN ? UNKNOWN : driver.prepareHydratedValue(read, column);
    }),
  );
}

function typeNameOf({ type }: OrmColumn): string {
  return typeof type === 'function' ? type.name.toLowerCase() : String(type);
}

function plainOf(value: unknown, column: OrmColumn): unknown {
  const name = typeNameOf(column);
  if (column.isArray === true) return UNKNOWN;
  if (PLAIN.test(name)) return value;
  if (!/^(?:bigint|int8)$/.test(name)) return UNKNOWN;
  if (typeof value === 'string') return value;
  // The driver returns a text, which JSON.parse() may have rounded.
  return Number.isSafeInteger(value) ? String(value) : UNKNOWN;
}

/** Types that TypeORM does not select as they are. */
const CONVERTED = /^(?:geometry|geography|vector|halfvec|cube)$/;

function queriedOf(value: unknown, column: OrmColumn): unknown {
  return CONVERTED.test(typeNameOf(column)) ? UNKNOWN : value;
}

/** False if one of the rows lacks columns of the other: then it is unknown which of them changed. */
function isWhole(before: Row, after: Row): boolean {
  const names = Object.keys(after);
  return names.length === Object.keys(before).length && names.every((name) => name in before);
}

function namesOfChanged({ columns }: OrmMetadata, before: Row, after: Row): string[] {
  const names = new Set<string>();
  for (const column of columns) {
    const { databaseName } = column;
    if (JSON.stringify(before[databaseName]) !== JSON.stringify(after[databaseName])) addNames(names, column);
  }
  return [...names];
}
