/**
 * The parts of TypeORM that this room reads, as structural types. TypeORM is an optional peer with two supported major versions:
 * importing its types would put one of them into our declarations.
 */

import type { Change } from '../invalidation/change.interface.js';

/** A change, and the entity, view or junction whose properties its states and columns are named by. */
export interface EntityTableChange extends Change {
  /** `undefined`: of a table that no entity is mapped onto. */
  readonly metadata?: OrmMetadata | undefined;
  dataSourceId?: string | undefined;
  /** Of a write whose rows are not known: whether it may delete rows, or empties all tables that refer to this one. */
  readonly removes?: 'rows' | 'all' | undefined;
}

export interface OrmTransformer {
  to(value: unknown): unknown;
  from(value: unknown): unknown;
}

export interface OrmColumn {
  readonly entityMetadata: OrmMetadata;
  readonly propertyName: string;
  /** Dotted for a column of an embedded: `address.city`. */
  readonly propertyPath: string;
  readonly databaseName: string;
  readonly type: unknown;
  readonly length?: string | number;
  readonly precision?: number | null;
  readonly scale?: number;
  readonly isArray?: boolean;
  readonly collation?: string;
  /** Of a `date`: whether a Date is written by its day in UTC. */
  readonly utc?: boolean;
  readonly transformer?: OrmTransformer | readonly OrmTransformer[];
  readonly enum?: readonly unknown[];
  readonly isPrimary: boolean;
  readonly isNullable: boolean;
  readonly isGenerated: boolean;
  readonly isInsert?: boolean;
  readonly isUpdate?: boolean;
  /** Without a property: a join column of a relation, or a hidden column. */
  readonly isVirtual: boolean;
  readonly isVirtualProperty?: boolean;
  readonly isDiscriminator?: boolean;
  readonly isCreateDate?: boolean;
  readonly isUpdateDate?: boolean;
  readonly isDeleteDate?: boolean;
  readonly isVersion?: boolean;
  readonly default?: unknown;
  readonly onUpdate?: string;
  readonly asExpression?: string;
  readonly relationMetadata?: OrmRelation;
  readonly referencedColumn?: OrmColumn;
}

export interface OrmRelation {
  readonly propertyName: string;
  readonly propertyPath: string;
  readonly relationType: string;
  readonly isNullable: boolean;
  readonly isManyToMany: boolean;
  readonly isOwning: boolean;
  readonly isWithJoinColumn: boolean;
  readonly persistenceEnabled?: boolean;
  readonly onDelete?: string;
  readonly entityMetadata: OrmMetadata;
  readonly inverseEntityMetadata: OrmMetadata;
  readonly junctionEntityMetadata?: OrmMetadata;
  readonly inverseRelation?: OrmRelation;
  readonly joinColumns: readonly OrmColumn[];
  /** Never starts the load of a lazy relation, unlike its property. */
  getEntityValue(entity: object): unknown;
}

export interface OrmForeignKey {
  readonly referencedEntityMetadata: OrmMetadata;
  readonly columns: readonly OrmColumn[];
  readonly referencedColumns: readonly OrmColumn[];
  readonly onDelete?: string;
  readonly onUpdate?: string;
}

export interface OrmEmbedded {
  readonly type: Function | string;
  readonly embeddeds: readonly OrmEmbedded[];
}

export interface OrmMetadata {
  /** The class, a schema's name, or `''` for a junction. */
  readonly target: Function | string;
  readonly name: string;
  readonly targetName?: string;
  readonly tableName: string;
  readonly tablePath: string;
  readonly tableType: string;
  /** The options of its decorator. */
  readonly tableMetadataArgs?: { readonly materialized?: boolean };
  readonly treeType?: string;
  /** Of typeorm 1.x; `connection` in 0.3. */
  readonly dataSource?: OrmDataSource;
  readonly connection?: OrmDataSource;
  readonly isJunction: boolean;
  readonly parentEntityMetadata?: OrmMetadata;
  readonly closureJunctionTable?: OrmMetadata;
  readonly treeParentRelation?: OrmRelation;
  readonly hasMultiplePrimaryKeys: boolean;
  readonly columns: readonly OrmColumn[];
  readonly primaryColumns: readonly OrmColumn[];
  readonly ownerColumns: readonly OrmColumn[];
  readonly inverseColumns: readonly OrmColumn[];
  readonly relations: readonly OrmRelation[];
  readonly manyToManyRelations: readonly OrmRelation[];
  readonly foreignKeys: readonly OrmForeignKey[];
  readonly embeddeds: readonly OrmEmbedded[];
  readonly deleteDateColumn?: OrmColumn;
  /** `@BeforeInsert()` and the like, those of its embeddeds included. */
  readonly listeners?: readonly unknown[];
  /** The id itself for one primary column, a record for several. */
  getEntityIdMixedMap(entity: object | undefined): unknown;
}

export interface OrmQueryRunner {
  readonly isTransactionActive: boolean;
  query(sql: string): Promise<unknown>;
}

export interface OrmDataSource {
  readonly options: object;
  readonly isInitialized: boolean;
  readonly entityMetadatas: readonly OrmMetadata[];
  subscribers: object[];
  readonly migrations?: readonly { readonly name?: string }[];
  readonly driver: object;
  createQueryRunner(...args: never[]): object;
  initialize(): Promise<unknown>;
}

/** The event of every hook in both versions. `event.dataSource` exists in 1.x only, so it is not used. */
export interface OrmEvent {
  readonly queryRunner: OrmQueryRunner;
}

/** The events of all entity hooks; each hook fills some of the properties. */
export interface OrmEntityEvent extends OrmEvent {
  readonly metadata: OrmMetadata;
  readonly entity?: object;
  readonly databaseEntity?: object;
  readonly entityId?: unknown;
  readonly updatedColumns?: readonly OrmColumn[];
  readonly updatedRelations?: readonly OrmRelation[];
}

export interface OrmQueryEvent extends OrmEvent {
  readonly query: string;
  readonly success?: boolean;
  readonly rawResults?: unknown;
  readonly error?: unknown;
}

/** How a statement writes, by the hook that may have announced it. No hook announces `mixed` statements. */
export type WriteKind = 'insert' | 'update' | 'remove' | 'mixed';

/** One table that a statement writes. */
export interface SqlWrite {
  /** The name, unquoted and in lower case, split at the dots. */
  readonly path: readonly string[];
  readonly kind: WriteKind;
  /** TRUNCATE … CASCADE also empties every table that refers to this one, whatever its ON DELETE. */
  readonly truncateCascade: boolean;
}

/** A row as its statement reported it: values by column. */
export type ReportedRow = ReadonlyMap<OrmColumn, unknown>;
