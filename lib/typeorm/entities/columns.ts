import { isDeepStrictEqual } from 'node:util';
import { type Dialect, dialectOf } from '../dialects.js';
import type { OrmColumn, OrmMetadata, OrmTransformer } from '../typeorm.interface.js';

/** Stands for an unknown value. Never leaves this room. */
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
 * The value of a column in an entity-like object; `undefined` where it has none. A join column is read from the relation first,
 * as TypeORM does when it persists. Relations are read through their metadata: reading the property of a lazy relation would
 * start a query inside a hook.
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

/** True if the database decides the value of a column: an entity in memory has it only after a reload. */
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

/**
 * The value that the database stores for a given one: a `date` has no time, a `decimal` no more digits than its scale. TypeORM does
 * not read the row again, so the entity keeps the given value. `UNKNOWN` where the stored value is not certain.
 */
export function storedValue(column: OrmColumn, given: unknown): unknown {
  if (given === null || given === UNKNOWN || column.isArray === true) return given;
  if (column.transformer === undefined) return databaseValue(column, given);
  const transformers = [column.transformer].flat();
  try {
    const stored = databaseValue(column, through(transformers, 'to', given));
    if (stored === UNKNOWN) return UNKNOWN;
    return isDeepStrictEqual(through([...transformers].reverse(), 'from', stored), given) ? given : UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function through(
  transformers: readonly OrmTransformer[],
  direction: keyof OrmTransformer,
  given: unknown,
): unknown {
  return transformers.reduce((value, transformer) => transformer[direction](value), given);
}

const KINDS: readonly (readonly [RegExp, (column: OrmColumn, given: unknown) => unknown])[] = [
  // The database rewrites texts of these types.
  [/range|interval|^(?:inet|cidr|macaddr8?|money|smallmoney|bit|varbit|bit varying|xml)$/, () => UNKNOWN],
  [/^date$/, asDate],
  [/^(?:timestamp|datetime|smalldatetime)/, asMoment],
  [/^time/, (_, given) => keepIf(given, /^\d\d:\d\d:\d\d$/.test(String(given)))],
  [/^(?:decimal|numeric|dec|fixed|number)$/, asDecimal],
  [/^(?:real|float|float4)$/, (_, given) => keepIf(given, hasDigits(given, 6))],
  [/^(?:double|double precision|float8)$/, (_, given) => keepIf(given, hasDigits(given, 15))],
  [/(?<!po)int|serial|^year$/, (_, given) => keepIf(given, isWhole(given))],
  [/^bool/, (_, given) => keepIf(given, /^(?:true|false|[01])$/.test(String(given)))],
];

function databaseValue(column: OrmColumn, given: unknown): unknown {
  const name = typeName(column.type);
  const kind = KINDS.find(([types]) => types.test(name));
  return kind === undefined ? given : kind[1](column, given);
}

/** Types whose values rules compare alike, whichever of them a column is declared with. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^(?:(?:tiny|small|medium|big)?int|int[248]|integer|number|(?:small|big)?serial)$/, 'integer'],
  [
    /^(?:n?varchar2?|character varying|n?char|character|nchar varying|(?:tiny|medium|long)?text|citext|string|uuid|(?:simple-)?enum)$/,
    'text',
  ],
  [/^(?:decimal|numeric|dec|fixed)$/, 'decimal'],
  [/^bool(?:ean)?$/, 'boolean'],
];

/** Whether entities that have these columns, which are one in the database, show its values alike. */
export function isWrittenAlike(one: OrmColumn, other: OrmColumn): boolean {
  const familyOf = ({ type, isArray, utc }: OrmColumn): string => {
    const name = typeName(type);
    const family = FAMILIES.find(([types]) => types.test(name))?.[1] ?? name;
    return `${family} ${isArray === true} ${utc === true}`;
  };
  const [a, b] = [one, other].map(({ transformer }) => [transformer ?? []].flat());
  return (
    familyOf(one) === familyOf(other) &&
    a!.length === b!.length &&
    a!.every((transformer, position) => transformer === b![position])
  );
}

/** The name of a column type. Every driver of TypeORM reads these three property types alike. */
function typeName(type: unknown): string {
  if (type === Date) return 'datetime';
  if (type === Number) return 'integer';
  if (type === Boolean) return 'boolean';
  return typeof type === 'string' ? type.toLowerCase() : '';
}

function keepIf(given: unknown, kept: boolean): unknown {
  return kept ? given : UNKNOWN;
}

/** As TypeORM writes it: the day in the time zone of this process, unless the column says `utc`. */
function asDate({ utc }: OrmColumn, given: unknown): unknown {
  if (!(given instanceof Date)) return keepIf(given, /^\d{4}-\d\d-\d\d$/.test(String(given)));
  const [year, month, day] =
    utc === true
      ? [given.getUTCFullYear(), given.getUTCMonth(), given.getUTCDate()]
      : [given.getFullYear(), given.getMonth(), given.getDate()];
  const padded = (part: number, length: number): string => String(part).padStart(length, '0');
  return `${padded(year, 4)}-${padded(month + 1, 2)}-${padded(day, 2)}`;
}

const WITH_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)$/i;

/** A text without a zone has the zone of the connection, which is unknown. */
function asMoment(column: OrmColumn, given: unknown): unknown {
  if (!(given instanceof Date) && !WITH_ZONE.test(String(given))) return UNKNOWN;
  return keepIf(given, new Date(given as Date | string).getTime() % smallestMoment(column) === 0);
}

/** In milliseconds. Other values than its multiples are rounded. */
function smallestMoment(column: OrmColumn): number {
  const name = typeName(column.type);
  if (name === 'smalldatetime') return 60_000;
  const { datetimeStep, dropsFractions } = dialectOfColumn(column);
  if (name === 'datetime' && datetimeStep !== undefined) return datetimeStep;
  const digits = column.precision ?? (dropsFractions ? 0 : 3);
  return 10 ** Math.max(0, 3 - digits);
}

function asDecimal(column: OrmColumn, given: unknown): unknown {
  const match = /^\s*[+-]?\d*(?:\.(\d*?)0*)?\s*$/.exec(String(given));
  const isBounded = typeof column.precision === 'number' || dialectOfColumn(column).dropsFractions;
  const digits = column.scale ?? (isBounded ? 0 : Infinity);
  return keepIf(given, match !== null && (match[1]?.length ?? 0) <= digits);
}

/** A float keeps 6 digits as they were given, a double 15. */
function hasDigits(given: unknown, most: number): boolean {
  const text = String(given);
  return /^-?\d+(?:\.\d+)?$/.test(text) && text.replace(/^-?0*\.?0*|\./g, '').length <= most;
}

function isWhole(given: unknown): boolean {
  return typeof given === 'boolean' || /^\s*[+-]?\d+\s*$/.test(String(given));
}

function dialectOfColumn({ entityMetadata: { dataSource, connection } }: OrmColumn): Dialect {
  return dialectOf(dataSource ?? connection ?? {});
}
