import type { Spelling } from '../../keys/index.js';
import { dialectOf } from '../dialects.js';
import type { OrmColumn, OrmDataSource } from '../typeorm.interface.js';
import { type EntityReference, findMetadata } from './entities.js';
import { followPath } from './entity-paths.js';

type Family = 'postgres' | 'mysql' | 'sqlite';
type SpellingOfColumn = Spelling | ((column: OrmColumn) => Spelling);

/** By the start of a type's name, first match first. A type that is not listed is opaque. */
const SPELLINGS: Readonly<Record<Family, readonly (readonly [RegExp, SpellingOfColumn])[]>> = {
  postgres: [
    [/^(?:int|integer|int[248]|smallint|bigint|serial|serial[248]|smallserial|bigserial|oid)$/, 'integer'],
    [/^(?:numeric|decimal|number)$/, 'decimal'],
    [/^(?:real|float4)$/, 'real'],
    [/^(?:float|float8|double precision|double)$/, 'double'],
    [/^bool(?:ean)?$/, 'boolean'],
    [/^uuid$/, 'uuid'],
    [/^date$/, 'date'],
    [/^time(?: without time zone)?$/, 'time'],
    [/^(?:timestamptz|timestamp with time zone)$/, 'moment'],
    [/^(?:timestamp|timestamp without time zone|datetime)$/, 'instant'],
    [
      /^(?:text|varchar|character varying|string|char|character|bpchar|enum|simple-enum)$/,
      ofCollation('text'),
    ],
  ],
  mysql: [
    [/^(?:int|integer|tinyint|smallint|mediumint|bigint|bool|boolean)$/, 'integer'],
    [/^(?:decimal|dec|numeric|fixed|number)$/, 'decimal'],
    [/^(?:float)$/, 'real'],
    [/^(?:double|double precision|real)$/, 'double'],
    [/^uuid$/, 'uuid'],
    [/^date$/, 'date'],
    [/^time$/, ({ precision }) => (precision ? 'opaque' : 'time')],
    [/^(?:datetime|timestamp)$/, 'instant'],
    [
      /^(?:char|varchar|nchar|nvarchar|national varchar|string|text|tinytext|mediumtext|longtext|enum|simple-enum)$/,
      ofCollation('folded'),
    ],
  ],
  sqlite: [
    [/^(?:int|integer|int[248]|tinyint|smallint|mediumint|bigint|unsigned big int|bool|boolean)$/, 'integer'],
    [/^(?:numeric|decimal|number|real|double|double precision|float)$/, 'double'],
    [/^(?:date|time)$/, 'text'],
    [/^(?:datetime|timestamp)$/, 'instant'],
    [
      /^(?:text|varchar|character|varying character|nchar|native character|nvarchar|clob|string|uuid|char|simple-enum|enum)$/,
      ofCollation('text'),
    ],
  ],
};

/** Collations in which plain ASCII texts equal each other or pairs of letters, and those that somebody has made. */
function ofCollation(spelling: Spelling): SpellingOfColumn {
  return ({ collation }) =>
    collation === undefined ||
    collation === '' ||
    /^(?:(?:utf8mb[34]|utf8|latin1)_(?:general|unicode|unicode_520|swedish|0900_ai|uca1400_ai)_ci|\w+_bin|binary|nocase|rtrim|C|POSIX)$/i.test(
      collation,
    )
      ? spelling
      : 'unknown';
}

/** The spelling of the column at a path of an entity; `undefined` when this DataSource does not know the entity. */
export function spellingAt(
  dataSource: OrmDataSource,
  entity: EntityReference,
  path: string,
): Spelling | undefined {
  const metadata = findMetadata(dataSource, entity);
  if (metadata === undefined) return undefined;
  const family = dialectOf(dataSource).outbox?.family;
  const column = followPath(metadata, path)?.column;
  // A transformed value is compared in a form that only the transformer knows.
  if (family === undefined || column === undefined || column.transformer !== undefined) return 'unknown';
  if (column.isArray === true) return 'unknown';
  const name = nameOf(column);
  const spelling = SPELLINGS[family].find(([types]) => types.test(name))?.[1] ?? 'opaque';
  return typeof spelling === 'function' ? spelling(column) : spelling;
}

function nameOf({ type }: OrmColumn): string {
  return typeof type === 'function'
    ? ({ Date: 'datetime', Number: 'integer', Boolean: 'boolean', String: 'varchar' }[type.name] ?? '')
    : String(type).toLowerCase();
}
