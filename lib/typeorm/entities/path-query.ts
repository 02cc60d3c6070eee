import { followPath } from './entity-paths.js';
import type { OrmColumn, OrmDataSource, OrmMetadata, OrmQueryRunner } from '../typeorm.interface.js';

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

/** What was read of one row: values by path. */
export type ReadPaths = ReadonlyMap<string, unknown>;

const ROW = 'restflow_row';

/**
 * Reads paths of rows by their ids, on a query runner that is in use: one query for each 500 rows. Paths that a join cannot
 * reach are left out, as are rows that are not there.
 *
 * @returns what was read, by {@link idText}
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

/** An id as text: that of one primary column, or of several. */
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
    // Soft-deleted rows count, also those joined: it must be said before the joins.
    // And TypeORM's own cache, which may be on for every query, would answer what was true once.
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
