import type {
  EntityProperty,
  EntityShape,
  LocalEntity,
  PathColumns,
  RemoteRule,
} from '../../invalidation/index.js';
import type {
  OrmColumn,
  OrmDataSource,
  OrmEmbedded,
  OrmMetadata,
  OrmRelation,
} from '../typeorm.interface.js';
import { tableOf } from './columns.js';
import { followPath } from './entity-paths.js';
import { layoutOf } from './row-view.js';
import { addNames, columnsNamed } from './shared-tables.js';

/** An entity as rules name it: its class, a function that returns it, its name, its table, or an EntitySchema. */
export type EntityReference = Function | string | (() => Function);

/** A table's shape as plain JSON: equal for equal tables, whatever the order of declaration. */
export interface EntityDescription {
  readonly table: string;
  readonly columns: readonly {
    readonly name: string;
    readonly property: string;
    readonly type: string;
    readonly nullable: boolean;
    readonly primary: boolean;
    readonly length: string;
    readonly precision?: number;
    readonly scale?: number;
    readonly array?: true;
    readonly enum?: readonly unknown[];
  }[];
  readonly relations: readonly {
    readonly property: string;
    readonly type: string;
    readonly table: string;
    readonly nullable: boolean;
  }[];
}

/** The entity's table in lower case, as changes name it; `undefined` when this DataSource does not know the entity. */
export function entityTable(dataSource: OrmDataSource, entity: EntityReference): string | undefined {
  const metadata = findMetadata(dataSource, entity);
  return metadata && tableOf(metadata);
}

export function describeEntity(
  dataSource: OrmDataSource,
  entity: EntityReference,
): EntityDescription | undefined {
  const metadata = findMetadata(dataSource, entity);
  return metadata && describe(metadata);
}

function describe(metadata: OrmMetadata): EntityDescription {
  return {
    table: tableOf(metadata),
    columns: metadata.columns
      .map(describeColumn)
      .sort((a, b) => compare(a.property, b.property) || compare(a.name, b.name)),
    relations: metadata.relations.map(describeRelation).sort((a, b) => compare(a.property, b.property)),
  };
}

/** A DataSource's schema, and the migrations that it knows, as a text: equal where both are. */
export function schemaOf(dataSource: OrmDataSource): string {
  const { options, entityMetadatas, migrations = [] } = dataSource;
  const { type, database, schema } = options as Readonly<Record<string, unknown>>;
  return JSON.stringify([
    [type, database, schema].map(String),
    entityMetadatas.map((metadata) => JSON.stringify([metadata.name, describe(metadata)])).sort(),
    migrations.map((migration) => migration.name ?? migration.constructor.name).sort(),
  ]);
}

/** Every class whose instances the DataSource makes: entities and their embeddeds. */
export function entityClasses(dataSource: OrmDataSource): Function[] {
  const classes = new Set<unknown>();
  const embed = (embedded: OrmEmbedded) => {
    classes.add(embedded.type);
    embedded.embeddeds.forEach(embed);
  };
  for (const metadata of dataSource.entityMetadatas) {
    classes.add(metadata.target);
    metadata.embeddeds.forEach(embed);
  }
  return [...classes].filter((each): each is Function => typeof each === 'function');
}

/** The paths that rules may read or watch: columns, embedded columns, relations and the ids behind them. */
export function entityColumns(dataSource: OrmDataSource, entity: EntityReference): string[] | undefined {
  const metadata = findMetadata(dataSource, entity);
  if (metadata === undefined) return undefined;
  return [
    ...new Set([
      ...layoutOf(metadata).index.keys(),
      ...metadata.relations.map(({ propertyPath }) => propertyPath),
    ]),
  ];
}

export function findMetadata(
  { entityMetadatas: known }: Pick<OrmDataSource, 'entityMetadatas'>,
  entity: EntityReference,
): OrmMetadata | undefined {
  if (typeof entity === 'string') {
    const name = entity.toLowerCase();
    return (
      known.find((metadata) => metadata.name === entity || metadata.targetName === entity) ??
      known.find((metadata) => tableOf(metadata) === name || metadata.tableName.toLowerCase() === name)
    );
  }
  const byClass = known.find((metadata) => metadata.target === entity);
  if (byClass !== undefined) return byClass;
  if (typeof entity !== 'function') {
    const schema = (entity as { options?: { name?: string; target?: Function } } | undefined)?.options;
    const target = schema?.target ?? schema?.name;
    return target === undefined ? undefined : known.find((metadata) => metadata.target === target);
  }
  // Only arrow functions are called: a class that no DataSource knows must not be run as one.
  return entity.prototype === undefined
    ? findMetadata({ entityMetadatas: known }, (entity as () => Function)())
    : undefined;
}

function describeColumn(column: OrmColumn): EntityDescription['columns'][number] {
  return {
    name: column.databaseName,
    property: column.propertyPath,
    type: typeof column.type === 'function' ? column.type.name.toLowerCase() : String(column.type),
    nullable: column.isNullable,
    primary: column.isPrimary,
    length: String(column.length ?? ''),
    ...(typeof column.precision === 'number' && { precision: column.precision }),
    ...(typeof column.scale === 'number' && { scale: column.scale }),
    ...(column.isArray === true && { array: true as const }),
    ...(column.enum !== undefined && { enum: column.enum }),
  };
}

function describeRelation(relation: OrmRelation): EntityDescription['relations'][number] {
  return {
    property: relation.propertyPath,
    type: relation.relationType,
    table: tableOf(relation.inverseEntityMetadata),
    nullable: relation.isNullable,
  };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

const KINDS = { relation: 'whole', many: 'many', part: 'whole' } as const;

/** An entity as the boot advisor sees it; `undefined` when this DataSource does not know it. */
export function entityShape(dataSource: OrmDataSource, entity: EntityReference): EntityShape | undefined {
  const metadata = findMetadata(dataSource, entity);
  if (metadata === undefined) return undefined;
  return {
    isView: metadata.tableType === 'view',
    isMaterialized: metadata.tableMetadataArgs?.materialized === true,
    paths: entityColumns(dataSource, entity)!,
    property(path): EntityProperty | undefined {
      const end = followPath(metadata, path);
      if (end === undefined) return undefined;
      const owner = end.joins.at(-1)?.inverseEntityMetadata ?? metadata;
      const kind = end.kind === 'column' ? (end.joins.length > 0 ? 'related' : 'column') : KINDS[end.kind];
      const { column } = end;
      return {
        kind,
        entityName: owner.name,
        isNullable: column?.isNullable !== false || end.joins.length > 0,
        ...(Array.isArray(column?.enum) && { choices: column.enum }),
      };
    },
  };
}

/**
 * The tables that a rule of another process concerns: those of entities with the name of its entity, and those with the names of its
 * tables, which no entity may be mapped onto. One too many costs a load, a missing one a stale read.
 */
export function tablesOfRemote(metadatas: readonly OrmMetadata[], rule: RemoteRule): ReadonlySet<string> {
  const named = metadatas.filter(({ name, targetName }) => [name, targetName].includes(rule.entityName));
  return new Set([...named.map(tableOf), ...rule.tables]);
}

/** An entity as rules of other processes ask for it. */
export function localEntity(metadata: OrmMetadata): LocalEntity {
  const { columns, relations } = metadata;
  return {
    has(path) {
      const overlaps = ({ propertyPath: known }: { readonly propertyPath: string }): boolean =>
        known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`);
      // Updates name properties, not columns of the database.
      return columns.some((column) => !column.isVirtual && overlaps(column)) || relations.some(overlaps);
    },
    named(column) {
      const names = new Set<string>();
      for (const one of columns) {
        if (one.databaseName !== column) continue;
        addNames(names, one);
        if (metadata.isJunction) names.add(one.propertyPath);
      }
      return [...names];
    },
    isTransformed: (path) =>
      columnsNamed(metadata, path).some(({ transformer }) => transformer !== undefined),
  };
}

/** The columns of the database that a path of an entity reads; `undefined` where it leads to other tables. */
export function pathColumns(metadata: OrmMetadata, path: string): PathColumns | undefined {
  const layout = layoutOf(metadata);
  const position = layout.index.get(path);
  const columns =
    position === undefined || columnsNamed(metadata, path).length > 1
      ? columnsNamed(metadata, path)
      : [layout.columns[position]!];
  if (columns.length === 0) return undefined;
  return {
    names: columns.map(({ databaseName }) => databaseName),
    isTransformed: columns.some(({ transformer }) => transformer !== undefined),
  };
}
