import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { InstanceClass } from '../cache/values/classes.js';
import type { Spelling } from '../keys/index.js';
import type {
  Attempt,
  BoundRule,
  ChangeSink,
  ChangeTransaction,
  EntityCatalogue,
  EntityShape,
  EntityTables,
  RemoteRule,
  InvalidationService,
  RowChange,
  RuleEntity,
  RuleRegistry,
} from '../invalidation/index.js';
import { stableText } from '../common/messages.js';
import { unknownChanges } from './rows/changes.js';
import { attachCollector, isDataSource, type CollectorHandle } from './data-source.js';
import { Database, entitiesNamed, type RuleTables } from './database.js';
import { tableOf } from './entities/columns.js';
import {
  describeEntity,
  entityClasses,
  type EntityReference,
  entityShape,
  entityTable,
  pathColumns,
} from './entities/entities.js';
import { spellingAt } from './entities/spellings.js';
import { changesOfRow } from './postgres/change-log.js';
import { inSavepoint } from './sql/transaction-control.js';
import { dialectOf, isKnownType, typeOf } from './dialects.js';
import { StatementTransactions } from './patches/statement-transactions.js';
import type { ReportUnsupported } from './patches/replaced-method.js';
import type { ChangeInterest } from './collect/change-emitter.js';
import type { EntityTableChange, OrmDataSource, OrmMetadata, OrmQueryRunner } from './typeorm.interface.js';

/** Connects the DataSources of an application to its rules. */
export class DataSourceAttacher implements EntityCatalogue, EntityTables {
  readonly #bindings = new Map<OrmDataSource, DataSourceBinding>();
  readonly #spellings = new Map<Function | string, Map<string, Spelling>>();
  /** The metadata that the spellings were read from. */
  readonly #spelledBy = new Map<OrmDataSource, unknown>();
  readonly #database: Database;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    private readonly exactStatements: boolean,
  ) {
    runtime.describeEntity = (entity) => this.#describe(entity);
    registry.spellingOf = (entity, path) => this.#spellingOf(entity as Function | string, path);
    this.#database = new Database(registry, (rule) => service.isDurable(rule));
  }

  /** Attaches a DataSource, initialised or not. Attaching it again does nothing. @throws TypeError for anything else */
  attach(dataSource: unknown): void {
    if (!isDataSource(dataSource)) {
      throw new TypeError(
        'RestflowCacheModule: dataSources contains a value that is not a TypeORM DataSource. Pass the instances, e.g. app.get(DataSource).',
      );
    }
    if (!this.#bindings.has(dataSource)) {
      this.#spellings.clear();
      this.#bindings.set(
        dataSource,
        new DataSourceBinding(
          dataSource,
          this.#database,
          this.runtime,
          this.registry,
          this.service,
          this.exactStatements,
        ),
      );
    }
  }

  get count(): number {
    return this.#bindings.size;
  }

  get all(): readonly object[] {
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
    const { known } = this.#database.rules();
    const named = entitiesNamed(known.metadatas, entity as EntityReference);
    return {
      tables: [...new Set(named.map(tableOf))],
      // In one order: equal rules of all processes have one description.
      sources: [
        ...new Map(
          named
            .flatMap((metadata) => known.sourcesOf(metadata))
            .map((source) => [stableText(source), source]),
        ),
      ]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([, source]) => source),
      columnsOf: (path) => named[0] && pathColumns(named[0], path),
    };
  }

  tablesOfRemote(rule: RemoteRule): ReadonlySet<string> {
    return new Set(this.#database.rules().ofRemote(rule));
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
    const { known } = this.#database.rules();
    const changes = rows.flatMap((row) => changesOfRow(row, known));
    await this.#anyBinding?.commit(changes);
  }

  /** Treats every table that rules watch as changed. */
  async missedChanges(): Promise<void> {
    const { known, tables } = this.#database.rules();
    await this.#anyBinding?.commit(
      [...tables].flatMap((table) => unknownChanges(table, known, false, false)),
    );
  }

  get #anyBinding(): DataSourceBinding | undefined {
    const bindings = [...this.#bindings.values()];
    return bindings.find(({ isReplicated }) => isReplicated) ?? bindings[0];
  }

  detachAll(): void {
    for (const binding of this.#bindings.values()) binding.detach();
    this.#bindings.clear();
    this.#spellings.clear();
  }

  /** Asked at every cached call, so what is known is kept until a DataSource has other entities. */
  #spellingOf(entity: Function | string, path: string): Spelling {
    let isKept = true;
    for (const dataSource of this.#bindings.keys()) {
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

/** One DataSource: receives its changes and finds the rules that each of them concerns. */
class DataSourceBinding implements ChangeSink {
  readonly #handle: CollectorHandle;
  readonly #statementTransactions: StatementTransactions;
  #metadatas: readonly OrmMetadata[] | undefined;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly database: Database,
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    exactStatements: boolean,
  ) {
    const { log } = runtime;
    const type = typeOf(dataSource);
    if (!isKnownType(dataSource))
      log.warn(
        `database ${type}`,
        `The DataSource has the type '${type}', which this version does not know: more is invalidated than necessary, and SQL text of ` +
          'this database may be misread.',
      );
    const onUnsupported: ReportUnsupported = (part, effect) =>
      log.warn(`unsupported ${part}`, `${part} ('${type}') is not as in TypeORM 0.3 and 1: ${effect}.`);
    database.add(dataSource);
    this.#handle = attachCollector(dataSource, this, {
      interest: () => this.#interest(),
      tables: () => this.#current().known,
      exactStatements,
      onQueryInOpenTransaction: () =>
        runtime.refuseCurrentLoad('a query in it ran inside an open transaction'),
      onError: (error, where) =>
        log.error(`collector ${where}`, `Collecting changes failed in ${where}`, error),
      onUnsupported,
    });
    this.#statementTransactions = new StatementTransactions(
      dataSource,
      () => this.#current().durableTables,
      onUnsupported,
      () => this.#current().known,
    );
    this.#current();
  }

  get isReplicated(): boolean {
    return (this.dataSource.options as { replication?: unknown }).replication !== undefined;
  }

  /** While rules of other processes may be missing here, all tables count, and the sink remembers which were written. */
  #interest(): ChangeInterest {
    const rules = this.#current();
    if (this.registry.tablesToMatch === undefined) return rules;
    const { durableTables, lookups, movable } = rules;
    return { tables: undefined, durableTables, lookups, movable };
  }

  committing(changes: readonly EntityTableChange[], queryRunner: object): Promise<void> | undefined {
    const { service, dataSource } = this;
    const transaction = { queryRunner, dataSource } as ChangeTransaction;
    const attempt: Attempt = (work) =>
      dialectOf(dataSource).abortsOnError ? inSavepoint(queryRunner as OrmQueryRunner, work) : work();
    const rules = this.#current();
    return service.committing(rules.expand(changes), rules.rulesOf, transaction, attempt);
  }

  committed(changes: readonly EntityTableChange[]): void | Promise<void> {
    const { service, registry } = this;
    for (const { table } of changes) registry.tablesToMatch?.add(table);
    const rules = this.#current();
    return service.committed(rules.expand(changes), rules.rulesOf, this.isReplicated);
  }

  /** Carries out changes that were committed past the DataSource. */
  commit(changes: readonly EntityTableChange[]): void | Promise<void> {
    const { tables } = this.#current();
    const wanted = changes.filter(({ table }) => tables.has(table));
    return wanted.length === 0 ? undefined : this.committed(wanted);
  }

  detach(): void {
    this.#handle.detach();
    this.#statementTransactions.close();
    this.database.remove(this.dataSource);
  }

  /** The present tables and rules. */
  #current(): RuleTables {
    const { entityMetadatas } = this.dataSource;
    if (this.#metadatas !== entityMetadatas) {
      this.#metadatas = entityMetadatas;
      for (const target of entityClasses(this.dataSource)) {
        const table = describeEntity(this.dataSource, target);
        this.runtime.know(target as unknown as InstanceClass, this.runtime.classes, table);
      }
    }
    return this.database.rules(this.dataSource);
  }
}
