import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { InstanceClass } from '../cache/values/classes.js';
import type {
  ActiveRule,
  Attempt,
  BoundRule,
  Change,
  ChangeSink,
  ChangeTransaction,
  EntityCatalogue,
  EntityShape,
  EntityTables,
  RemoteRule,
  InvalidationService,
  RowChange,
  RuleRegistry,
} from '../invalidation/index.js';
import { unknownChanges } from './rows/changes.js';
import { attachCollector, isDataSource, type CollectorHandle } from './data-source.js';
import {
  describeEntity,
  entityClasses,
  type EntityReference,
  entityShape,
  entityTable,
  remoteRulesByTable,
} from './entities/entities.js';
import { changesOfRow } from './postgres/change-log.js';
import { inSavepoint } from './sql/transaction-control.js';
import { dialectOf } from './dialects.js';
import { StatementTransactions } from './patches/transactions.js';
import { knownTablesOf } from './entities/tables.js';
import type { OrmDataSource, OrmQueryRunner } from './typeorm.interface.js';

/** Ties the data sources of an application to its rules. */
export class DataSourceAttacher implements EntityCatalogue, EntityTables {
  readonly #bindings = new Map<OrmDataSource, DataSourceBinding>();

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    private readonly exactStatements: boolean,
  ) {
    runtime.describeEntity = (entity) => this.#describe(entity);
  }

  /** Attaches a data source, initialised or not; again is harmless. @throws TypeError for anything else */
  attach(dataSource: unknown): void {
    if (!isDataSource(dataSource)) {
      throw new TypeError(
        'RestflowCacheModule: dataSources holds something that is no TypeORM DataSource. Pass the instances.',
      );
    }
    if (!this.#bindings.has(dataSource)) {
      this.#bindings.set(
        dataSource,
        new DataSourceBinding(dataSource, this.runtime, this.registry, this.service, this.exactStatements),
      );
    }
  }

  get count(): number {
    return this.#bindings.size;
  }

  get all(): readonly object[] {
    return [...this.#bindings.keys()];
  }

  /** Whether some data source knows the entity of a rule, or may learn of it when it is initialised. */
  knows(rule: BoundRule): boolean {
    return [...this.#bindings.keys()].some(
      (dataSource) =>
        !dataSource.isInitialized || entityTable(dataSource, rule.entity as Function | string) !== undefined,
    );
  }

  tablesOf(entity: unknown): readonly string[] {
    const tables = [...this.#bindings.keys()].map((dataSource) =>
      entityTable(dataSource, entity as Function),
    );
    return [...new Set(tables.filter((table) => table !== undefined))];
  }

  tablesOfRemote(rule: RemoteRule): readonly string[] {
    return [...this.#bindings.keys()].flatMap((dataSource) => [
      ...remoteRulesByTable(dataSource, rule).keys(),
    ]);
  }

  shapeOf(entity: EntityReference): EntityShape | undefined {
    for (const dataSource of this.#bindings.keys()) {
      const shape = entityShape(dataSource, entity);
      if (shape !== undefined) return shape;
    }
    return undefined;
  }

  /** Carries out what changes ask for that were made past the data sources. */
  async changedElsewhere(rows: readonly RowChange[]): Promise<void> {
    await Promise.all([...this.#bindings.values()].map((binding) => binding.changedElsewhere(rows)));
  }

  /** Everything that rules watch counts as changed. */
  async missedChanges(): Promise<void> {
    await Promise.all([...this.#bindings.values()].map((binding) => binding.missedChanges()));
  }

  detachAll(): void {
    for (const binding of this.#bindings.values()) binding.detach();
    this.#bindings.clear();
  }

  #describe(entity: unknown): unknown {
    for (const dataSource of this.#bindings.keys()) {
      const description = describeEntity(dataSource, entity as Function | string);
      if (description !== undefined) return description;
    }
    return undefined;
  }
}

/** One data source: which rules a change of one of its tables concerns. */
class DataSourceBinding implements ChangeSink {
  readonly #handle: CollectorHandle;
  #rules: ReadonlyMap<string, readonly ActiveRule[]> = new Map();
  #tables: ReadonlySet<string> = new Set();
  #durableTables: ReadonlySet<string> = new Set();
  #lookups: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #transactions: StatementTransactions;
  #indexed = -1;
  #metadatas: unknown;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    exactStatements: boolean,
  ) {
    this.#handle = attachCollector(dataSource, this, {
      tables: () => (registry.tablesToMatch === undefined ? this.#index().#tables : undefined),
      durableTables: () => this.#index().#durableTables,
      lookups: () => this.#index().#lookups,
      exactStatements,
      onQueryInOpenTransaction: () =>
        runtime.refuseCurrentLoad('a query in it ran inside an open transaction'),
      onError: (error, where) =>
        runtime.log.error(`collector ${where}`, `Collecting changes failed in ${where}`, error),
    });
    this.#transactions = new StatementTransactions(dataSource, () => this.#index().#durableTables);
    this.#index();
  }

  committing(changes: readonly Change[], queryRunner: object): Promise<void> | undefined {
    const { service, dataSource } = this.#index();
    const transaction = { queryRunner, dataSource } as ChangeTransaction;
    const attempt: Attempt = (work) =>
      dialectOf(dataSource).abortsOnError ? inSavepoint(queryRunner as OrmQueryRunner, work) : work();
    return service.committing(changes, (change) => this.#rules.get(change.table) ?? [], transaction, attempt);
  }

  committed(changes: readonly Change[]): void | Promise<void> {
    const { service, registry } = this.#index();
    for (const { table } of changes) registry.tablesToMatch?.add(table);
    const { replication } = this.dataSource.options as { replication?: unknown };
    return service.committed(
      changes,
      (change) => this.#rules.get(change.table) ?? [],
      replication !== undefined,
    );
  }

  changedElsewhere(rows: readonly RowChange[]): void | Promise<void> {
    const { driver } = this.dataSource;
    const tables = knownTablesOf(this.dataSource);
    return this.#tell(rows.flatMap((row) => changesOfRow(row, tables, driver)));
  }

  missedChanges(): void | Promise<void> {
    const tables = knownTablesOf(this.dataSource);
    return this.#tell(
      [...this.#index().#tables].flatMap((table) => unknownChanges(table, tables, false, false)),
    );
  }

  #tell(changes: readonly Change[]): void | Promise<void> {
    const wanted = this.#index().#tables;
    const told = changes.filter(({ table }) => wanted.has(table));
    return told.length === 0 ? undefined : this.committed(told);
  }

  detach(): void {
    this.#handle.detach();
    this.#transactions.close();
  }

  /** The rules that apply here, each with its table. */
  *#placed(): Iterable<readonly [table: string, rule: ActiveRule]> {
    for (const rule of this.registry.all()) {
      const table = entityTable(this.dataSource, rule.entity as Function | string);
      if (table !== undefined) yield [table, rule];
    }
    for (const rule of this.registry.remote) yield* remoteRulesByTable(this.dataSource, rule);
  }

  /** Rules by table, and the classes of entities; made anew when rules were added or the data source was initialised. */
  #index(): this {
    const { revision } = this.registry;
    const { entityMetadatas } = this.dataSource;
    if (this.#indexed === revision && this.#metadatas === entityMetadatas) return this;
    const tables = new Map<string, ActiveRule[]>();
    const durable = new Set<string>();
    const lookups = new Map<string, string[]>();
    for (const [table, rule] of this.#placed()) {
      tables.set(table, [...(tables.get(table) ?? []), rule]);
      if (this.service.isDurable(rule)) durable.add(table);
      if (rule.lookups.length > 0) lookups.set(table, [...(lookups.get(table) ?? []), ...rule.lookups]);
    }
    for (const target of entityClasses(this.dataSource))
      this.runtime.classes.add(target as unknown as InstanceClass);
    this.#rules = tables;
    this.#tables = new Set(tables.keys());
    this.#durableTables = durable;
    this.#lookups = lookups;
    this.#indexed = revision;
    this.#metadatas = entityMetadatas;
    return this;
  }
}
