import type { ManifestSource } from '../../invalidation/index.js';
import type { RowView } from '../../invalidation/change.interface.js';
import type {
  EntityTableChange,
  OrmColumn,
  OrmDataSource,
  OrmMetadata,
  SqlWrite,
} from '../typeorm.interface.js';
import { readColumn, tableOf, UNKNOWN } from './columns.js';
import { buildDependents, type Dependent } from './entity-paths.js';
import { EntityRowView, layoutOf } from './row-view.js';
import { isSameEntity } from './shared-tables.js';
import type { TableFamilies } from './table-families.js';

type ByTable = ReadonlyMap<string, readonly Dependent[]>;

/**
 * The tables of one database and how they depend on each other. Several entities, views and junctions may be mapped onto one table.
 * Every initialisation of a DataSource makes new metadata, and a new one of these.
 */
export class KnownTables {
  /** By table: the entity that it is reported under where no hook names one, the root of its inheritance tree. */
  readonly roots = new Map<string, OrmMetadata>();
  /** Every entity, view and junction once, though several DataSources of the database may have it. */
  readonly metadatas: readonly OrmMetadata[];
  readonly #metadatas = new Map<string, OrmMetadata[]>();
  readonly #dependents: ByTable;
  readonly #referrers: ByTable;
  readonly #followers: ByTable;
  readonly #referenced = new Map<string, Set<string>>();
  readonly #reach = new Map<string, readonly string[]>();
  readonly #related = new Map<string, readonly string[]>();
  readonly #byLastName = new Map<string, { path: readonly string[]; table: string }[]>();

  /**
   * @param named tables that rules of other processes name: no entity need be mapped onto them
   * @param families of the database, where it has partitions or inheritance
   * @param takesAny whether any other name counts as that of a table: rules of other processes are not read yet
   */
  constructor(
    given: readonly OrmMetadata[],
    named: readonly string[] = [],
    private readonly takesAny = false,
    private readonly families: readonly TableFamilies[] = [],
  ) {
    for (const metadata of given) {
      const table = tableOf(metadata);
      // The class of another DataSource of the database.
      if (this.metadatasOn(table).some((one) => isSameEntity(one, metadata))) continue;
      const known = this.roots.get(table);
      if (known === undefined) this.#addName(table);
      if (known === undefined || known.tableType === 'entity-child') this.roots.set(table, metadata);
      this.#metadatas.set(table, [...this.metadatasOn(table), metadata]);
      for (const foreignKey of metadata.foreignKeys) {
        const target = tableOf(foreignKey.referencedEntityMetadata);
        const columns = this.#referenced.get(target) ?? new Set();
        for (const column of foreignKey.referencedColumns) columns.add(column.databaseName);
        this.#referenced.set(target, columns);
      }
    }
    this.metadatas = [...this.#metadatas.values()].flat();
    for (const table of named) if (!this.roots.has(table)) this.#addName(table);
    const { metadatas } = this;
    this.#dependents = buildDependents(metadatas, (foreignKey) => foreignKey.onDelete);
    this.#referrers = buildDependents(metadatas, () => 'CASCADE');
    this.#followers = buildDependents(metadatas, (foreignKey) => foreignKey.onUpdate);
  }

  #addName(table: string): void {
    const path = table.split('.');
    const last = path.at(-1)!;
    const known = this.#byLastName.get(last) ?? [];
    if (!known.some((one) => one.table === table)) this.#byLastName.set(last, [...known, { path, table }]);
  }

  /** Every name of a table. */
  get names(): readonly string[] {
    return [...this.#byLastName.values()].flatMap((named) => named.map(({ table }) => table));
  }

  /** True if a table has this last part of its name. */
  isNamed(last: string): boolean {
    return this.#byLastName.has(last);
  }

  /** The last parts of the names of tables that share rows with those of this one. */
  relativesOf(last: string): readonly string[] {
    return this.families.flatMap((family) =>
      family.relativesOf([last]).map((name) => name.slice(name.lastIndexOf('.') + 1)),
    );
  }

  /** The entities, views and junctions that are mapped onto the table. */
  metadatasOn(table: string): readonly OrmMetadata[] {
    return this.#metadatas.get(table) ?? [];
  }

  /** The junctions of many-to-many relations whose rows the table holds. */
  junctionsOn(table: string): readonly OrmMetadata[] {
    return this.related(table).flatMap((name) =>
      this.metadatasOn(name).filter(({ isJunction }) => isJunction),
    );
  }

  /** The names under which rows of the table are known, its own among them: `article` and `shop.article` count as one table. */
  related(table: string): readonly string[] {
    let related = this.#related.get(table);
    if (related === undefined) {
      const same = this.matching({ path: table.split('.') });
      this.#related.set(table, (related = same.includes(table) ? same : [table, ...same]));
    }
    return related;
  }

  /** The tables whose rows ON DELETE changes or removes when rows of this one are deleted, transitively. */
  dependentsOf(table: string): readonly Dependent[] {
    return this.#ofRelated(this.#dependents, table);
  }

  /** The tables that refer to it by a foreign key, transitively. TRUNCATE … CASCADE empties them. */
  referrersOf(table: string): readonly Dependent[] {
    return this.#ofRelated(this.#referrers, table);
  }

  /** The tables whose foreign keys ON UPDATE changes when keys of this one are changed. */
  followersOf(table: string): readonly Dependent[] {
    return this.#ofRelated(this.#followers, table);
  }

  /** Its columns that a foreign key refers to, by the names that they have in the database. */
  referencedOf(table: string): ReadonlySet<string> {
    return new Set(this.related(table).flatMap((name) => [...(this.#referenced.get(name) ?? [])]));
  }

  #ofRelated(by: ByTable, table: string): readonly Dependent[] {
    const related = this.related(table);
    return related.length === 1 ? (by.get(table) ?? []) : related.flatMap((name) => by.get(name) ?? []);
  }

  /** Other tables whose writes change rows of an entity. */
  sourcesOf(entity: OrmMetadata): ManifestSource[] {
    const own = new Set(this.related(tableOf(entity)));
    const links = this.metadatas
      .filter(({ isJunction }) => isJunction)
      .flatMap((junction) => linksOf(junction, entity, own));
    const sources: ManifestSource[] = [...links];
    for (const table of this.names) {
      const changed = (dependents: readonly Dependent[]): ManifestSource['changes'][] =>
        dependents.flatMap((dependent) => {
          if (own.has(dependent.table))
            return [dependent.effect === 'remove' ? undefined : namesOn(entity, dependent)];
          return links.filter((link) => link.table === dependent.table).map(({ changes }) => changes);
        });
      const add = (by: ManifestSource['by'], dependents: readonly Dependent[]): void => {
        const all = changed(dependents);
        if (all.length === 0) return;
        const changes = all.includes(undefined) ? undefined : [...new Set(all.flatMap((names) => names!))];
        const keys = by === 'key' && { keys: [...this.referencedOf(table)] };
        sources.push({ table, by, ...(changes && { changes }), ...keys });
      };
      add('remove', this.dependentsOf(table));
      add(
        'key',
        this.followersOf(table).map((follower) => ({ ...follower, effect: 'update' })),
      );
      add('truncate', this.referrersOf(table));
    }
    return sources;
  }

  /** True if a write on the table can change any of the wanted tables. */
  reaches(table: string, wanted: ReadonlySet<string>): boolean {
    return this.#reachOf(table).some((reached) => wanted.has(reached));
  }

  #reachOf(table: string): readonly string[] {
    let reach = this.#reach.get(table);
    if (reach === undefined) {
      const dependents = [
        ...this.dependentsOf(table),
        ...this.followersOf(table),
        ...this.referrersOf(table),
      ];
      const touched = new Set([table, ...dependents.map((dependent) => dependent.table)]);
      const more = [...touched].flatMap((name) => [
        ...this.junctionsOn(name).flatMap(({ ownerColumns, inverseColumns }) =>
          [...ownerColumns, ...inverseColumns].map((column) => column.referencedColumn?.entityMetadata),
        ),
        ...this.metadatasOn(name).map((metadata) => metadata.closureJunctionTable),
      ]);
      reach = [...touched, ...more.flatMap((metadata) => (metadata === undefined ? [] : tableOf(metadata)))];
      this.#reach.set(table, reach);
    }
    return reach;
  }

  /**
   * The tables that a name in SQL may mean. `article`, `public.article` and `db.public.article` count as one table, since one ends
   * with the other: one too many costs a load, a missing one a stale read.
   */
  matching(write: Pick<SqlWrite, 'path'>): string[] {
    const candidates = this.#byLastName.get(write.path.at(-1) ?? '') ?? [];
    const known = candidates.filter(({ path }) => endsAlike(path, write.path)).map(({ table }) => table);
    for (const family of this.families)
      for (const relative of family.relativesOf(write.path))
        for (const table of this.#namedAs(relative)) if (!known.includes(table)) known.push(table);
    return known.length === 0 && this.takesAny ? [write.path.join('.')] : known;
  }

  #namedAs(name: string): string[] {
    const path = name.split('.');
    const candidates = this.#byLastName.get(path.at(-1)!) ?? [];
    return candidates.filter((candidate) => endsAlike(candidate.path, path)).map(({ table }) => table);
  }

  /** True if a name in SQL is that of a table, whether or not an entity is mapped onto it. */
  isTable(path: readonly string[]): boolean {
    return this.matching({ path }).length > 0 || this.families.some((family) => family.knows(path));
  }

  /** The tables that one of unknown name may be a new partition of. */
  get partitioned(): readonly string[] {
    return [
      ...new Set(this.families.flatMap(({ parents }) => parents).flatMap((name) => this.#namedAs(name))),
    ];
  }
}

/** The ends of a junction at an entity's table. */
function linksOf(junction: OrmMetadata, entity: OrmMetadata, tables: ReadonlySet<string>): ManifestSource[] {
  return endsOf(junction).flatMap(({ columns, path }) => {
    const referenced = columns.flatMap((column) => column.referencedColumn ?? []);
    if (!referenced.some((column) => tables.has(tableOf(column.entityMetadata)))) return [];
    const pathOf = ({ databaseName }: OrmColumn): string | undefined =>
      entity.columns.find((column) => column.databaseName === databaseName)?.propertyPath;
    const byPath = columns.flatMap(({ databaseName, referencedColumn }) => {
      const known = referencedColumn && pathOf(referencedColumn);
      return known === undefined ? [] : [[known, databaseName] as const];
    });
    const isOwn = referenced[0]!.entityMetadata.target === entity.target;
    return {
      table: tableOf(junction),
      by: 'link' as const,
      ...(isOwn && { changes: path === undefined ? [] : [path] }),
      columns: Object.fromEntries(byPath),
    };
  });
}

/** The columns that a dependent loses, by their names on an entity of its table; `undefined`: any. */
function namesOn(entity: OrmMetadata, { metadata, columns }: Dependent): readonly string[] | undefined {
  return isSameEntity(entity, metadata) ? columns : undefined;
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
export function sidesOf(junction: OrmMetadata, row: object | undefined): EntityTableChange[] {
  return endsOf(junction).flatMap(({ columns, path }) => {
    const metadata = columns[0]?.referencedColumn?.entityMetadata;
    return metadata === undefined ? [] : [sideChange(metadata, columns, path, row)];
  });
}

/** The two ends of a junction: its columns, and the relation of the entity that they refer to. */
function endsOf({ ownerColumns, inverseColumns }: OrmMetadata): readonly {
  readonly columns: readonly OrmColumn[];
  readonly path: string | undefined;
}[] {
  const relation = ownerColumns[0]?.relationMetadata;
  const owning = relation?.isOwning === false ? relation.inverseRelation : relation;
  return [
    { columns: ownerColumns, path: owning?.propertyPath },
    { columns: inverseColumns, path: owning?.inverseRelation?.propertyPath },
  ];
}

function sideChange(
  metadata: OrmMetadata,
  columns: readonly OrmColumn[],
  relationPath: string | undefined,
  row: object | undefined,
): EntityTableChange {
  const base = {
    metadata,
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

/** The row of a junction, from the row of another entity on its table. */
export function linkRow(junction: OrmMetadata, row: RowView): object | undefined {
  if (!(row instanceof EntityRowView)) return undefined;
  const view = row.as(layoutOf(junction));
  const readings = junction.columns.map(
    ({ propertyName, propertyPath }) => [propertyName, view.read(propertyPath)] as const,
  );
  return Object.fromEntries(
    readings.flatMap(([name, reading]) => (reading.known ? [[name, reading.value]] : [])),
  );
}

function idFrom(metadata: OrmMetadata, given: ReadonlyMap<OrmColumn | undefined, unknown>): unknown {
  if (!metadata.primaryColumns.every((column) => given.has(column))) return undefined;
  if (!metadata.hasMultiplePrimaryKeys) return given.get(metadata.primaryColumns[0]);
  return Object.fromEntries(
    metadata.primaryColumns.map((column) => [column.propertyPath, given.get(column)]),
  );
}
