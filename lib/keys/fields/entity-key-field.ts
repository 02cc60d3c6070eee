import { createHash } from 'node:crypto';
import { encodeValue } from '../canonical.js';
import type { KeyEnvironment } from '../key.interface.js';
import {
  type FieldContext,
  type FieldPart,
  KeyField,
  type KeyFieldOptions,
  declareOptions,
} from './key-field.js';

/**
 * The shape of an entity's table: its columns with their types and nullability, and its relations. After a migration that changes the
 * table, no entry of the old shape is read.
 *
 * The shape is read when the application has started, from the data source of the entity.
 *
 * @example
 * ```ts
 * shape = new EntityKeyField(User);
 * ```
 * @publicApi
 */
export class EntityKeyField extends KeyField {
  static {
    declareOptions(this);
  }

  /**
   * @param entity the entity's class, a function that returns it, or its name
   * @param options see {@link KeyFieldOptions}
   * @throws {KeyDefinitionError} when the application starts, if no data source knows the entity
   */
  constructor(
    readonly entity: unknown,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    return [{ name: context.field, constant: (environment) => this.shape(environment, context) }];
  }

  private shape(environment: KeyEnvironment, context: FieldContext): string {
    const description = environment.describeEntity?.(this.entity);
    if (description === undefined || description === null) {
      context.fail(
        `needs the table of ${nameOf(this.entity)}, which no data source knows. List the entity in a TypeORM DataSource of this ` +
          `app and name that in RestflowCacheModule.forRoot({ dataSources }), or write a ConstantKeyField whose value you ` +
          `change with the table.`,
      );
    }
    return createHash('sha256')
      .update(encodeValue(tableShape(description)))
      .digest('base64url')
      .slice(0, 22);
  }
}

/** Parts of TypeORM's metadata that are read. Recognised by their form, since typeorm is never imported here. */
interface TableLike {
  readonly tablePath?: unknown;
  readonly tableName?: unknown;
  readonly columns: readonly Readonly<Record<string, unknown>>[];
  readonly relations?: readonly Readonly<Record<string, unknown>>[];
}

const COLUMN_TRAITS = [
  'propertyPath',
  'databaseName',
  'isNullable',
  'isPrimary',
  'isArray',
  'length',
  'precision',
  'scale',
  'enum',
];
const RELATION_TRAITS = ['propertyPath', 'relationType', 'isNullable'];

function tableShape(description: unknown): unknown {
  if (!isTable(description)) return description;
  return {
    table: description.tablePath ?? description.tableName,
    columns: new Set(
      description.columns.map((column) => ({
        ...traits(column, COLUMN_TRAITS),
        type: typeName(column['type']),
      })),
    ),
    relations: new Set(
      description.relations?.map((relation) => ({
        ...traits(relation, RELATION_TRAITS),
        target: targetTable(relation['inverseEntityMetadata']),
      })),
    ),
  };
}

/** Recognises TypeORM's own metadata. The data sources of the module describe a table as plain data, which is taken whole. */
function isTable(description: unknown): description is TableLike {
  const { columns } = description as { columns?: unknown };
  return Array.isArray(columns) && columns.some((column) => 'propertyPath' in (column as object));
}

function traits(of: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, of[name]]));
}

/** Column types are names, or constructors such as `Number`. */
function typeName(type: unknown): unknown {
  return typeof type === 'function' ? `class ${type.name}` : type;
}

function targetTable(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const { tablePath, tableName } = metadata as { tablePath?: unknown; tableName?: unknown };
  return tablePath ?? tableName;
}

function nameOf(entity: unknown): string {
  return typeof entity === 'function' ? entity.name || 'the entity' : String(entity);
}
