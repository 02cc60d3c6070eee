import type { Change } from '../../invalidation/change.interface.js';
import type { OrmColumn, OrmDataSource, OrmMetadata, SqlWrite } from '../typeorm.interface.js';
import { readColumn, tableOf, UNKNOWN } from './columns.js';
import { buildDependents, type Dependent } from './entity-paths.js';
import { EntityRowView, layoutOf } from './row-view.js';

/** The tables of one DataSource and how they depend on each other. Every initialisation makes new metadata, and a new one of these. */
export class KnownTables {
  /** By table: the entity that it is reported under where no hook names one, the root of its inheritance tree. */
  readonly roots = new Map<string, OrmMetadata>();
  /** By table: those whose rows ON DELETE changes or removes when its rows are deleted, transitively. */
  readonly dependents: ReadonlyMap<string, readonly Dependent[]>;
  /** By table: those that refer to it by a foreign key, transitively. TRUNCATE … CASCADE empties them. */
  readonly referrers: ReadonlyMap<string, readonly Dependent[]>;
  /** By table: those whose foreign keys ON UPDATE changes when its keys are changed. */
  readonly followers: ReadonlyMap<string, readonly Dependent[]>;
  /** By table: its columns that a foreign key refers to. */
  readonly referenced = new Map<string, Set<OrmColumn>>();
  readonly #reach = new Map<string, readonly string[]>();
  readonly #byLastName = new Map<string, { path: readonly string[]; table: string }[]>();

  constructor(metadatas: readonly OrmMetadata[]) {
    for (const metadata of metadatas) {
      const table = tableOf(metadata);
      const known = this.roots.get(table);
      if (known === undefined) {
        const path = table.split('.');
        const last = path.at(-1)!;
        this.#byLastName.set(last, [...(this.#byLastName.get(last) ?? []), { path, table }]);
      }
      if (known === undefined || known.tableType === 'entity-child') this.roots.set(table, metadata);
      for (const foreignKey of metadata.foreignKeys) {
        const target = tableOf(foreignKey.referencedEntityMetadata);
        const columns = this.referenced.get(target) ?? new Set();
        for (const column of foreignKey.referencedColumns) columns.add(column);
        this.referenced.set(target, columns);
      }
    }
    this.dependents = buildDependents(metadatas, (foreignKey) => foreignKey.onDelete);
    this.referrers = buildDependents(metadatas, () => 'CASCADE');
    this.followers = buildDependents(metadatas, (foreignKey) => foreignKey.onUpdate);
  }

  /** True if a write on the table can change any of the wanted tables. */
  reaches(table: string, wanted: ReadonlySet<string>): boolean {
    return this.#reachOf(table).some((reached) => wanted.has(reached));
  }

  #reachOf(table: string): readonly string[] {
    let reach = this.#reach.get(table);
    if (reach === undefined) {
      const touched = [this.dependents, this.followers, this.referrers].flatMap((of) => of.get(table) ?? []);
      const metadatas = [this.roots.get(table), ...touched.map(({ metadata }) => metadata)];
      const sides = metadatas.flatMap((metadata) =>
        metadata?.isJunction === true
          ? [...metadata.ownerColumns, ...metadata.inverseColumns].map(
              (column) => column.referencedColumn?.entityMetadata,
            )
          : [metadata?.closureJunctionTable],
      );
      reach = [
        table,
        ...[...metadatas, ...sides].flatMap((metadata) =>
          metadata === undefined ? [] : [tableOf(metadata)],
        ),
      ];
      this.#reach.set(table, reach);
    }
    return reach;
  }

  /**
   * The tables that a name in SQL may mean. `article`, `public.article` and `db.public.article` count as one table, since one ends
   * with the other: one too many costs a load, a missing one a stale read.
   */
  matching(write: SqlWrite): string[] {
    const candidates = this.#byLastName.get(write.path.at(-1) ?? '') ?? [];
    return candidates.filter(({ path }) => endsAlike(path, write.path)).map(({ table }) => table);
  }
}

function endsAlike(one: readonly string[], other: readonly string[]): boolean {
  const length = Math.min(one.length, other.length);
  for (let i = 1; i <= length; i++) if (one.at(-i) !== other.at(-i)) return false;
  return true;
}

const known = new WeakMap<readonly OrmMetadata[], KnownTables>();

export function knownTablesOf(dataSource: OrmDataSource): KnownTables {
  const metadatas = dataSource.entityMetadatas;
  let tables = known.get(metadatas);
  if (tables === undefined) known.set(metadatas, (tables = new KnownTables(metadatas)));
  return tables;
}

/**
 * The changes of both sides of a many-to-many link: TypeORM reports only the row of the junction.
 * @param row the row of the junction, as far as it is known; without it the rows of both sides are unknown
 */
export function sidesOf(junction: OrmMetadata, row: object | undefined): Change[] {
  const relation = junction.ownerColumns[0]?.relationMetadata;
  const owning = relation?.isOwning === false ? relation.inverseRelation : relation;
  const changes: Change[] = [];
  for (const [columns, path] of [
    [junction.ownerColumns, owning?.propertyPath],
    [junction.inverseColumns, owning?.inverseRelation?.propertyPath],
  ] as const) {
    const metadata = columns[0]?.referencedColumn?.entityMetadata;
    if (metadata !== undefined) changes.push(sideChange(metadata, columns, path, row));
  }
  return changes;
}

function sideChange(
  metadata: OrmMetadata,
  columns: readonly OrmColumn[],
  relationPath: string | undefined,
  row: object | undefined,
): Change {
  const base = {
    table: tableOf(metadata),
    entityName: metadata.name,
    entity: typeof metadata.target === 'function' ? metadata.target : undefined,
    type: 'update' as const,
    updatedColumns: relationPath === undefined ? [] : [relationPath],
  };
  const given = new Map(columns.map((column) => [column.referencedColumn, row && readColumn(column, row)]));
  if ([...given.values()].some((value) => value === undefined || value === null)) {
    return { ...base, id: undefined, before: undefined, after: undefined };
  }
  const layout = layoutOf(metadata);
  const view = new EntityRowView(
    layout,
    layout.columns.map((column) => (given.has(column) ? given.get(column) : UNKNOWN)),
  );
  return { ...base, id: idFrom(metadata, given), before: view, after: view };
}

function idFrom(metadata: OrmMetadata, given: ReadonlyMap<OrmColumn | undefined, unknown>): unknown {
  if (!metadata.primaryColumns.every((column) => given.has(column))) return undefined;
  if (!metadata.hasMultiplePrimaryKeys) return given.get(metadata.primaryColumns[0]);
  return Object.fromEntries(
    metadata.primaryColumns.map((column) => [column.propertyPath, given.get(column)]),
  );
}
