import type { CacheRuntime } from '../cache/cache-runtime.js';
import { stableText } from '../common/messages.js';
import {
  type BoundRule,
  DATA_SOURCE_PATH,
  type EntityCatalogue,
  type EntityShape,
  type EntityTables,
  type InvalidationService,
  type ManifestSource,
  type RemoteRule,
  type RowChange,
  type RuleEntity,
  type RuleRegistry,
} from '../invalidation/index.js';
import type { Spelling } from '../keys/index.js';
import { Database, entitiesNamed, MAX_COMPARED, type RuleTables } from './database.js';
import { isDataSource } from './data-source.js';
import { DataSourceBinding } from './data-source-binding.js';
import { Catalogue } from './catalogue.js';
import { watchClassOf } from './data-source-watch.js';
import type { EarlyChanges } from './early-changes.js';
import { tableOf } from './entities/columns.js';
import {
  describeEntity,
  type EntityReference,
  entityShape,
  entityTable,
  pathColumns,
} from './entities/entities.js';
import { isSameEntity } from './entities/shared-tables.js';
import { spellingAt } from './entities/spellings.js';
import { unknownChanges } from './rows/changes.js';
import { changesOfRow } from './rows/row-changes.js';
import type { EntityTableChange, OrmDataSource, OrmMetadata } from './typeorm.interface.js';

/** Connects the DataSources of an application to its rules. */
export class DataSourceAttacher implements EntityCatalogue, EntityTables {
  readonly #bindings = new Map<OrmDataSource, DataSourceBinding>();
  readonly #spellings = new Map<Function | string, Map<string, Spelling>>();
  /** The metadata that the spellings were read from. */
  readonly #spelledBy = new Map<OrmDataSource, unknown>();
  /** By the id of `dataSourceId`. */
  readonly #databases = new Map<string, Database>();
  readonly #catalogue: Catalogue;
  #isSettled = true;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    private readonly exactStatements: boolean,
    private readonly dataSourceId: (dataSource: never) => string = () => ONE_DATABASE,
  ) {
    this.#catalogue = new Catalogue(runtime);
    runtime.describeEntity = (entity) => this.#describe(entity);
    runtime.onAuto = () => registry.addAuto(runtime.space);
    registry.spellingOf = (entity, path) => this.#spellingOf(entity as Function | string, path);
  }

  /** Changes wait until the application knows its rules, see {@link settle}. */
  unsettle(): void {
    this.#isSettled = false;
  }

  /** The application knows its rules: carries them out on the changes that were committed before, and on all others at once. */
  async settle(): Promise<void> {
    this.#isSettled = true;
    if (this.runtime.settings.isAuto) this.runtime.onAuto?.();
    await Promise.all(
      [...this.#bindings].map(([dataSource, { database }]) => this.#catalogue.read(dataSource, database)),
    );
    if (this.registry.auto !== undefined)
      await Promise.all([...this.#bindings.values()].map(({ loadTables }) => loadTables.ready()));
    await Promise.all([...this.#bindings.values()].map((binding) => binding.settle()));
  }

  /**
   * Attaches a DataSource, initialised or not. Attaching it again does nothing.
   *
   * @param early the changes that were collected before
   * @throws TypeError for anything else
   */
  attach(dataSource: unknown, early?: EarlyChanges): void {
    if (!isDataSource(dataSource)) {
      throw new TypeError(
        'RestflowCacheModule: dataSources contains a value that is not a TypeORM DataSource. Pass the instances, e.g. app.get(DataSource).',
      );
    }
    if (this.#bindings.has(dataSource)) return;
    watchClassOf(dataSource);
    this.#spellings.clear();
    const database = this.#databaseOf(dataSource);
    const { runtime, registry, service, exactStatements } = this;
    const binding = new DataSourceBinding(
      dataSource,
      database,
      { runtime, registry, service, exactStatements },
      early,
    );
    this.#bindings.set(dataSource, binding);
    if (this.#isSettled) void binding.settle();
  }

  #databaseOf(dataSource: OrmDataSource): Database {
    const id = this.#idOf(dataSource);
    let database = this.#databases.get(id);
    if (database === undefined) {
      database = new Database(id, this.registry, (rule) => this.service.isDurable(rule));
      this.#databases.set(id, database);
    }
    return database;
  }

  #idOf(dataSource: OrmDataSource): string {
    try {
      return String(this.dataSourceId(dataSource as never));
    } catch (error) {
      this.runtime.log.error(
        'dataSourceId',
        'dataSourceId() threw for a DataSource, which counts as one of the same database as those without an id: its changes drop ' +
          'entries of others. Return a text for every DataSource',
        error,
      );
      return ONE_DATABASE;
    }
  }

  /** Its entities and tables may have changed. */
  async initialized(dataSource: OrmDataSource): Promise<void> {
    const binding = this.#bindings.get(dataSource);
    if (binding === undefined) return;
    this.#spellings.clear();
    await this.#catalogue.read(dataSource, binding.database);
    if (this.registry.auto !== undefined) await binding.loadTables.ready();
  }

  detach(dataSource: OrmDataSource): void {
    const binding = this.#bindings.get(dataSource);
    if (binding === undefined) return;
    this.#bindings.delete(dataSource);
    this.#spellings.clear();
    this.#spelledBy.delete(dataSource);
    binding.detach();
    this.#catalogue.forget(dataSource, binding.database);
    if (binding.database.isEmpty) this.#databases.delete(binding.database.id);
  }

  get count(): number {
    return this.#bindings.size;
  }

  get all(): readonly OrmDataSource[] {
    return [...this.#bindings.keys()];
  }

  /** True if a DataSource has the entity of a rule, or may have it once it is initialised. */
  knows(rule: BoundRule): boolean {
    return [...this.#bindings.keys()].some(
      (dataSource) =>
        !dataSource.isInitialized || entityTable(dataSource, rule.entity as Function | string) !== undefined,
    );
  }

  ruleEntity(entity: unknown): RuleEntity {
    const tables = new Set<string>();
    const sources = new Map<string, ManifestSource>();
    const known: OrmMetadata[] = [];
    const ids = new Set<string>();
    for (const [id, database] of this.#databases) {
      const rules = database.rules();
      for (const metadata of entitiesNamed(rules.known.metadatas, entity as EntityReference)) {
        ids.add(id);
        // Each tenant may have a database with the same tables.
        if (known.some((one) => isSameEntity(one, metadata))) continue;
        known.push(metadata);
        tables.add(tableOf(metadata));
        for (const source of rules.known.sourcesOf(metadata)) sources.set(stableText(source), source);
      }
    }
    return {
      tables: [...tables],
      // In one order: equal rules of all processes have one description.
      sources: [...sources].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, source]) => source),
      dataSources: ids.has(ONE_DATABASE) || ids.size > MAX_IDS ? [] : [...ids].sort(),
      columnsOf: (path) => known[0] && pathColumns(known[0], path),
    };
  }

  tablesOfRemote(rule: RemoteRule): ReadonlySet<string> {
    return new Set([...this.#databases.values()].flatMap((database) => database.rules().ofRemote(rule)));
  }

  /** Those of the tables that no rule of these methods covers. Views have no writes, so they need no rule. */
  uncovered(methods: ReadonlySet<string>, tables: ReadonlySet<string>): readonly string[] {
    const all = [...this.#databases.values()].map((database) => database.rules());
    return [...tables].filter((table) => {
      const on = all.flatMap(({ known }) => known.metadatasOn(table));
      const isView = on.length > 0 && on.every(({ tableType }) => tableType === 'view');
      return !isView && !all.some((rules) => rules.covers(table, methods));
    });
  }

  /** The class of the entity of a table. */
  entityOf(table: string): string | undefined {
    for (const database of this.#databases.values()) {
      const found = database
        .rules()
        .known.metadatasOn(table)
        .find(({ isJunction }) => !isJunction);
      if (found !== undefined) return found.name;
    }
    return undefined;
  }

  /** True if loads may read from replicas. */
  get isReplicated(): boolean {
    return [...this.#bindings.values()].some((binding) => binding.isReplicated);
  }

  /** True if this process has seen a change of one of the tables after a time. Milliseconds since the epoch. */
  hasChanged(tables: ReadonlySet<string>, since: number): boolean {
    return [...this.#bindings.values()].some((binding) => binding.hasChanged(tables, since));
  }

  shapeOf(entity: EntityReference): EntityShape | undefined {
    for (const dataSource of this.#bindings.keys()) {
      const shape = entityShape(dataSource, entity);
      if (shape !== undefined) return shape;
    }
    return undefined;
  }

  /** Carries out the rules on changes that were committed past the DataSources. */
  async changedElsewhere(rows: readonly RowChange[]): Promise<void> {
    await this.#inEach(({ known }) => rows.flatMap((row) => changesOfRow(row, known)));
  }

  /** Treats every table that rules watch as changed. */
  async missedChanges(): Promise<void> {
    await this.#inEach(allChanged);
  }

  /** Treats every table of a DataSource's database as changed. */
  async missedBy(dataSource: OrmDataSource): Promise<void> {
    const binding = this.#bindings.get(dataSource);
    await binding?.commit(allChanged(binding.database.rules()));
  }

  /** Carries out changes once in each database, by a DataSource with replicas where there is one. */
  async #inEach(changesOf: (rules: RuleTables) => readonly EntityTableChange[]): Promise<void> {
    const bindings = new Map<Database, DataSourceBinding>();
    for (const binding of this.#bindings.values())
      if (binding.isReplicated || !bindings.has(binding.database)) bindings.set(binding.database, binding);
    await Promise.all(
      [...bindings].map(([database, binding]) => binding.commit(changesOf(database.rules()))),
    );
  }

  /** Resolves when the rules of changes so far are carried out. */
  drain(): Promise<void> {
    return this.service.drain();
  }

  detachAll(): void {
    this.#catalogue.close();
    for (const binding of this.#bindings.values()) binding.detach();
    this.#bindings.clear();
    this.#databases.clear();
    this.#spellings.clear();
  }

  /** Asked at every cached call, so what is known is kept until a DataSource has other entities. */
  #spellingOf(entity: Function | string, path: string): Spelling {
    if (path === DATA_SOURCE_PATH) return 'text';
    let isKept = true;
    // With many, what they tell of themselves must do: this runs at every call.
    for (const dataSource of this.#bindings.size > MAX_COMPARED ? [] : this.#bindings.keys()) {
      const metadatas = dataSource.isInitialized ? dataSource.entityMetadatas : undefined;
      if (this.#spelledBy.get(dataSource) === metadatas) continue;
      this.#spelledBy.set(dataSource, metadatas);
      isKept = false;
    }
    if (!isKept) this.#spellings.clear();
    let ofEntity = this.#spellings.get(entity);
    if (ofEntity === undefined) this.#spellings.set(entity, (ofEntity = new Map()));
    let spelling = ofEntity.get(path);
    if (spelling === undefined) {
      const known = [...this.#bindings.keys()]
        .map((dataSource) => (dataSource.isInitialized ? spellingAt(dataSource, entity, path) : 'unknown'))
        .filter((each) => each !== undefined);
      spelling = known.every((each) => each === known[0]) ? (known[0] ?? 'unknown') : 'opaque';
      ofEntity.set(path, spelling);
    }
    return spelling;
  }

  #describe(entity: unknown): unknown {
    for (const dataSource of this.#bindings.keys()) {
      const description = describeEntity(dataSource, entity as Function | string);
      if (description !== undefined) return description;
    }
    return undefined;
  }
}

/** The id of databases that nothing tells apart. */
const ONE_DATABASE = '';
/** A rule whose entity is in more databases is carried out in all of them. */
const MAX_IDS = 20;

/** An entry that reads a table without an entity is dropped by any of these changes, see {@link ReadTables}. */
function allChanged({ known, tables = new Set(known.names) }: RuleTables): EntityTableChange[] {
  return [...tables].flatMap((table) => unknownChanges(table, known, true, false));
}
