import type {
  OrmColumn,
  OrmDataSource,
  OrmForeignKey,
  OrmMetadata,
  OrmQueryRunner,
  OrmRelation,
} from '../typeorm.interface.js';
import { tableOf } from './columns.js';
import { layoutOf } from './row-view.js';

/** The end of a dotted path of properties. */
export interface PathEnd {
  /** `relation` ends at a relation itself, `many` crosses a list of related rows, `part` is an embedded or inside JSON. */
  readonly kind: 'column' | 'relation' | 'many' | 'part';
  /** The relations to one row each that lie on the way and must be joined. */
  readonly joins: readonly OrmRelation[];
  /** The column it ends at, where it ends at one. */
  readonly column?: OrmColumn;
}

/** Follows a path through embeddeds and relations; `undefined` where there is no such property. */
export function followPath(metadata: OrmMetadata, path: string): PathEnd | undefined {
  return follow(metadata, path, []);
}

function follow(metadata: OrmMetadata, path: string, joins: readonly OrmRelation[]): PathEnd | undefined {
  const column = metadata.columns.find((each) => !each.isVirtual && each.propertyPath === path);
  if (column !== undefined) return { kind: 'column', joins, column };
  const relation = metadata.relations.find(
    ({ propertyPath }) => path === propertyPath || path.startsWith(`${propertyPath}.`),
  );
  if (relation !== undefined) return throughRelation(relation, path, joins);
  const isPart = metadata.columns.some(
    ({ propertyPath }) => propertyPath.startsWith(`${path}.`) || path.startsWith(`${propertyPath}.`),
  );
  if (isPart) return { kind: 'part', joins };
  const position = layoutOf(metadata).index.get(path);
  return position === undefined
    ? undefined
    : { kind: 'column', joins, column: layoutOf(metadata).columns[position]! };
}

function throughRelation(
  relation: OrmRelation,
  path: string,
  joins: readonly OrmRelation[],
): PathEnd | undefined {
  const isToMany = relation.relationType.endsWith('-to-many');
  if (path === relation.propertyPath) {
    const [only, ...others] = relation.joinColumns;
    if (isToMany || !relation.isOwning || only === undefined || others.length > 0)
      return { kind: 'relation', joins };
    return { kind: 'column', joins, column: only };
  }
  if (isToMany) return { kind: 'many', joins };
  const rest = path.slice(relation.propertyPath.length + 1);
  const key = relation.joinColumns.find(({ referencedColumn }) => referencedColumn?.propertyPath === rest);
  if (relation.isOwning && key !== undefined) return { kind: 'column', joins, column: key };
  return follow(relation.inverseEntityMetadata, rest, [...joins, relation]);
}

/** A table whose rows the database changes when a row that they refer to is deleted. No hook tells of it. */
export interface Dependent {
  readonly metadata: OrmMetadata;
  readonly table: string;
  /** `remove`: ON DELETE CASCADE. `update`: SET NULL or SET DEFAULT on `columns`. */
  readonly effect: 'remove' | 'update';
  readonly columns: readonly string[];
  /** The columns of its foreign key, by the names that they have in the database. */
  readonly keys: readonly string[];
  /** True if its foreign key refers to the table itself; others follow from those. */
  readonly direct: boolean;
}

/**
 * The dependents of each table. CASCADE continues to the dependents of a dependent, SET NULL does not. Tables are compared, not
 * entities, so that a foreign key to the child of an inheritance tree counts for the whole tree.
 */
export function buildDependents(
  metadatas: readonly OrmMetadata[],
  actionOf: (foreignKey: OrmForeignKey) => string | undefined,
): ReadonlyMap<string, readonly Dependent[]> {
  const direct = new Map<string, Dependent[]>();
  for (const metadata of metadatas) {
    for (const foreignKey of metadata.foreignKeys) {
      const action = actionOf(foreignKey) ?? '';
      if (!/CASCADE|SET/i.test(action)) continue;
      const referenced = tableOf(foreignKey.referencedEntityMetadata);
      const dependent: Dependent = {
        metadata,
        table: tableOf(metadata),
        effect: /CASCADE/i.test(action) ? 'remove' : 'update',
        columns: foreignKey.columns.flatMap(namesOf),
        keys: foreignKey.columns.map(({ databaseName }) => databaseName),
        direct: true,
      };
      direct.set(referenced, [...(direct.get(referenced) ?? []), dependent]);
    }
  }
  return new Map([...direct.keys()].map((table) => [table, closure(table, direct)]));
}

function closure(table: string, direct: ReadonlyMap<string, readonly Dependent[]>): Dependent[] {
  const found = new Map<string, Dependent>();
  const visit = (from: string) => {
    for (const dependent of direct.get(from) ?? []) {
      const key = `${dependent.table}|${dependent.effect}|${dependent.columns.join()}`;
      if (found.has(key)) continue;
      found.set(key, { ...dependent, direct: from === table });
      if (dependent.effect === 'remove') visit(dependent.table);
    }
  };
  visit(table);
  return [...found.values()];
}

function namesOf(column: OrmForeignKey['columns'][number]): string[] {
  const relation = column.relationMetadata?.propertyPath;
  if (column.entityMetadata.isJunction) return [column.propertyPath];
  return [...(column.isVirtual ? [] : [column.propertyPath]), ...(relation === undefined ? [] : [relation])];
}

/** How many rows one query asks for. */
const BATCH = 500;

/** The parts of a SelectQueryBuilder that a lookup uses. */
interface SelectBuilder {
  withDeleted(): this;
  cache(enabled: boolean): this;
  leftJoin(property: string, alias: string): this;
  select(selections: string[]): this;
  addSelect(selection: string, alias: string): this;
  where(condition: string, parameters: object): this;
  getRawMany(): Promise<Record<string, unknown>[]>;
}

type SelectSource = OrmDataSource & {
  createQueryBuilder(target: OrmMetadata['target'], alias: string, runner: OrmQueryRunner): SelectBuilder;
  readonly driver: { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };
};

/** Values of one row, by path. */
export type ReadPaths = ReadonlyMap<string, unknown>;

const ROW = 'restflow_row';

/**
 * Reads paths of rows by their ids, on a query runner that is in use: one query for each 500 rows. Paths that a join cannot
 * reach are left out, as are rows that are not there.
 *
 * @returns the rows that were found, by {@link idText}
 */
export async function readPaths(
  dataSource: OrmDataSource,
  runner: OrmQueryRunner,
  metadata: OrmMetadata,
  ids: readonly unknown[],
  paths: readonly string[],
): Promise<Map<string, ReadPaths>> {
  const found = new Map<string, ReadPaths>();
  const keys = metadata.primaryColumns;
  if (keys.length === 0 || keys.some(({ isVirtual }) => isVirtual)) return found;
  for (let start = 0; start < ids.length; start += BATCH) {
    const query = new PathQuery(dataSource as SelectSource, runner, metadata);
    const read = await query.run(ids.slice(start, start + BATCH), paths);
    for (const [id, values] of read) found.set(id, values);
  }
  return found;
}

/** The id of a row as a text, whether it has one primary column or several. */
export function idText(metadata: OrmMetadata, id: unknown): string {
  if (!metadata.hasMultiplePrimaryKeys) return String(id);
  return JSON.stringify(metadata.primaryColumns.map((column) => String(partOf(id, column))));
}

function partOf(id: unknown, { propertyPath }: OrmColumn): unknown {
  return (id as Record<string, unknown>)[propertyPath];
}

/** One SELECT. Raw values are hydrated column by column, so that no listener of the entity runs. */
class PathQuery {
  readonly #builder: SelectBuilder;
  readonly #aliases = new Map<string, string>([['', ROW]]);
  readonly #selected = new Map<string, { readonly alias: string; readonly column: OrmColumn }>();

  constructor(
    private readonly dataSource: SelectSource,
    runner: OrmQueryRunner,
    private readonly metadata: OrmMetadata,
  ) {
    // Soft-deleted rows count, joined ones too: withDeleted() must come before the joins.
    // TypeORM's own cache, which may be on for every query, would return old rows.
    const builder = dataSource.createQueryBuilder(metadata.target, ROW, runner);
    this.#builder = builder.withDeleted().cache(false).select([]);
  }

  async run(ids: readonly unknown[], paths: readonly string[]): Promise<Map<string, ReadPaths>> {
    const { primaryColumns, hasMultiplePrimaryKeys } = this.metadata;
    const keys = primaryColumns.map((column) => [column.propertyPath, this.#select(ROW, column)] as const);
    const wanted = paths.flatMap((path) => {
      const at = this.#selectPath(path);
      return at === undefined ? [] : [[path, at] as const];
    });
    const rows = await this.#where(ids).getRawMany();
    return new Map(
      rows.map((row) => {
        const key = keys.map(([path, at]) => [path, this.#valueOf(row, at)] as const);
        const id: unknown = hasMultiplePrimaryKeys ? Object.fromEntries(key) : key[0]![1];
        return [
          idText(this.metadata, id),
          new Map(wanted.map(([path, at]) => [path, this.#valueOf(row, at)])),
        ];
      }),
    );
  }

  #selectPath(path: string): string | undefined {
    const end = followPath(this.metadata, path);
    if (end?.column === undefined) return undefined;
    let [parent, trail] = [ROW, ''];
    for (const { propertyPath } of end.joins) {
      trail += `${propertyPath}.`;
      let alias = this.#aliases.get(trail);
      if (alias === undefined) {
        this.#aliases.set(trail, (alias = `restflow_${this.#aliases.size}`));
        this.#builder.leftJoin(`${parent}.${propertyPath}`, alias);
      }
      parent = alias;
    }
    return this.#select(parent, end.column);
  }

  #select(parent: string, column: OrmColumn): string {
    const selection = `${parent}.${column.propertyPath}`;
    let selected = this.#selected.get(selection);
    if (selected === undefined) {
      this.#selected.set(selection, (selected = { alias: `v${this.#selected.size}`, column }));
      this.#builder.addSelect(selection, selected.alias);
    }
    return selection;
  }

  #where(ids: readonly unknown[]): SelectBuilder {
    const { primaryColumns, hasMultiplePrimaryKeys } = this.metadata;
    if (!hasMultiplePrimaryKeys)
      return this.#builder.where(`${ROW}.${primaryColumns[0]!.propertyPath} IN (:...ids)`, { ids });
    const parameters: Record<string, unknown> = {};
    const conditions = ids.map((id, row) => {
      const parts = primaryColumns.map((column, part) => {
        parameters[`id_${row}_${part}`] = partOf(id, column);
        return `${ROW}.${column.propertyPath} = :id_${row}_${part}`;
      });
      return `(${parts.join(' AND ')})`;
    });
    return this.#builder.where(conditions.join(' OR '), parameters);
  }

  #valueOf(row: Record<string, unknown>, selection: string): unknown {
    const { alias, column } = this.#selected.get(selection)!;
    const value = row[alias];
    return value === null ? null : this.dataSource.driver.prepareHydratedValue(value, column);
  }
}
