import type { EntityProperty, EntityShape, RemoteRule } from '../../invalidation/index.js';
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
  if (metadata === undefined) return undefined;
  return {
    table: tableOf(metadata),
    columns: metadata.columns
      .map(describeColumn)
      .sort((a, b) => compare(a.property, b.property) || compare(a.name, b.name)),
    relations: metadata.relations.map(describeRelation).sort((a, b) => compare(a.property, b.property)),
  };
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

export function findMetadata(dataSource: OrmDataSource, entity: EntityReference): OrmMetadata | undefined {
  const { entityMetadatas: known } = dataSource;
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
  return entity.prototype === undefined ? findMetadata(dataSource, (entity as () => Function)()) : undefined;
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
 * The tables that a rule of another process concerns here: those of entities with the name of its entity, and those with the names
 * of its tables. One too many costs a load, a missing one a stale read.
 *
 * @returns by table, the rule with the paths that the entity has here
 */
export function remoteRulesByTable(
  dataSource: OrmDataSource,
  rule: RemoteRule,
): ReadonlyMap<string, RemoteRule> {
  const concerned = new Map<string, OrmMetadata[]>();
  for (const metadata of dataSource.entityMetadatas) {
    const table = tableOf(metadata);
    const isConcerned = isNamed(metadata, rule) || rule.tables.some((name) => endAlike(name, table));
    if (isConcerned) concerned.set(table, [...(concerned.get(table) ?? []), metadata]);
  }
  return new Map(
    [...concerned].map(([table, metadatas]) => {
      const named = metadatas.filter((metadata) => isNamed(metadata, rule));
      const entities = named.length > 0 ? named : metadatas;
      return [table, rule.on((path) => entities.every((metadata) => hasProperty(metadata, path)))] as const;
    }),
  );
}

function isNamed({ name, targetName }: OrmMetadata, { entityName }: RemoteRule): boolean {
  return name === entityName || targetName === entityName;
}

/** Updates name properties, not columns of the database. */
function hasProperty({ columns, relations }: OrmMetadata, path: string): boolean {
  const overlaps = ({ propertyPath: known }: { readonly propertyPath: string }): boolean =>
    known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`);
  return columns.some((column) => !column.isVirtual && overlaps(column)) || relations.some(overlaps);
}

/** `article`, `public.article` and `db.public.article` are one table. */
function endAlike(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return long === short || long.endsWith(`.${short}`);
}
