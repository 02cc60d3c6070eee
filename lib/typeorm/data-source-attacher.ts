import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { InstanceClass } from '../cache/values/classes.js';
import type { Spelling } from '../keys/index.js';
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
import { spellingAt } from './entities/spellings.js';
import { changesOfRow } from './postgres/change-log.js';
import { inSavepoint } from './sql/transaction-control.js';
import { dialectOf, isKnownType, typeOf } from './dialects.js';
import { StatementTransactions } from './patches/statement-transactions.js';
import type { ReportUnsupported } from './patches/replaced-method.js';
import type { ChangeInterest } from './collect/change-emitter.js';
import { knownTablesOf } from './entities/tables.js';
import type { OrmDataSource, OrmQueryRunner } from './typeorm.interface.js';

/** Connects the DataSources of an application to its rules. */
export class DataSourceAttacher implements EntityCatalogue, EntityTables {
  readonly #bindings = new Map<OrmDataSource, DataSourceBinding>();
  readonly #spellings = new Map<Function | string, Map<string, Spelling>>();
  /** The metadata that the spellings were read from. */
  readonly #spelledBy = new Map<OrmDataSource, unknown>();

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly service: InvalidationService,
    private readonly exactStatements: boolean,
  ) {
    runtime.describeEntity = (entity) => this.#describe(entity);
    registry.spellingOf = (entity, path) => this.#spellingOf(entity as Function | string, path);
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

  /** True if a DataSource has the entity of a rule, or may have it once it is initialised. */
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

  /** Carries out the rules on changes that were committed past the DataSources. */
  async changedElsewhere(rows: readonly RowChange[]): Promise<void> {
    await Promise.all([...this.#bindings.values()].map((binding) => binding.changedElsewhere(rows)));
  }

  /** Treats every table that rules watch as changed. */
  async missedChanges(): Promise<void> {
    await Promise.all([...this.#bindings.values()].map((binding) => binding.missedChanges()));
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

/** The rules of one DataSource, as its collector and its sink need them. Never changed: other rules make another index. */
interface RuleIndex extends ChangeInterest {
  readonly revision: number;
  readonly metadatas: unknown;
  readonly rules: ReadonlyMap<string, readonly ActiveRule[]>;
  readonly tables: ReadonlySet<string>;
  readonly durableTables: ReadonlySet<string>;
}

/** One DataSource: receives its changes and finds the rules that each of them concerns. */
class DataSourceBinding implements ChangeSink {
  readonly #handle: CollectorHandle;
  readonly #statementTransactions: StatementTransactions;
  #index: RuleIndex | undefined;

  constructor(
    private readonly dataSource: OrmDataSource,
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
    this.#handle = attachCollector(dataSource, this, {
      interest: () => this.#interest(),
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
    );
    this.#current();
  }

  /** While rules of other processes may be missing here, all tables count, and the sink remembers which were written. */
  #interest(): ChangeInterest {
    const index = this.#current();
    if (this.registry.tablesToMatch === undefined) return index;
    return { tables: undefined, durableTables: index.durableTables, lookups: index.lookups };
  }

  committing(changes: readonly Change[], queryRunner: object): Promise<void> | undefined {
    const { service, dataSource } = this;
    const transaction = { queryRunner, dataSource } as ChangeTransaction;
    const attempt: Attempt = (work) =>
      dialectOf(dataSource).abortsOnError ? inSavepoint(queryRunner as OrmQueryRunner, work) : work();
    return service.committing(changes, this.#rulesOf(), transaction, attempt);
  }

  committed(changes: readonly Change[]): void | Promise<void> {
    const { service, registry } = this;
    for (const { table } of changes) registry.tablesToMatch?.add(table);
    const { replication } = this.dataSource.options as { replication?: unknown };
    return service.committed(changes, this.#rulesOf(), replication !== undefined);
  }

  changedElsewhere(rows: readonly RowChange[]): void | Promise<void> {
    const { driver } = this.dataSource;
    const tables = knownTablesOf(this.dataSource);
    return this.#commit(rows.flatMap((row) => changesOfRow(row, tables, driver)));
  }

  missedChanges(): void | Promise<void> {
    const tables = knownTablesOf(this.dataSource);
    return this.#commit(
      [...this.#current().tables].flatMap((table) => unknownChanges(table, tables, false, false)),
    );
  }

  /** Carries out changes that were committed past the DataSource. */
  #commit(changes: readonly Change[]): void | Promise<void> {
    const { tables } = this.#current();
    const wanted = changes.filter(({ table }) => tables.has(table));
    return wanted.length === 0 ? undefined : this.committed(wanted);
  }

  detach(): void {
    this.#handle.detach();
    this.#statementTransactions.close();
  }

  /** The rules of each change. The collector has asked for the current index just before. */
  #rulesOf(): (change: Change) => readonly ActiveRule[] {
    const { rules } = this.#index ?? this.#current();
    return ({ table }) => rules.get(table) ?? [];
  }

  /** The index of the present rules and metadata. */
  #current(): RuleIndex {
    const { revision } = this.registry;
    const { entityMetadatas } = this.dataSource;
    const index = this.#index;
    if (index?.revision === revision && index.metadatas === entityMetadatas) return index;
    for (const target of entityClasses(this.dataSource)) {
      const table = describeEntity(this.dataSource, target);
      this.runtime.know(target as unknown as InstanceClass, this.runtime.classes, table);
    }
    return (this.#index = this.#newIndex(revision, entityMetadatas));
  }

  #newIndex(revision: number, metadatas: unknown): RuleIndex {
    const rules = new Map<string, ActiveRule[]>();
    const durableTables = new Set<string>();
    const lookups = new Map<string, string[]>();
    for (const [table, rule] of this.#rulesByTable()) {
      rules.set(table, [...(rules.get(table) ?? []), rule]);
      if (this.service.isDurable(rule)) durableTables.add(table);
      if (rule.lookups.length > 0) lookups.set(table, [...(lookups.get(table) ?? []), ...rule.lookups]);
    }
    return {
      revision,
      metadatas,
      rules,
      tables: new Set(rules.keys()),
      durableTables,
      lookups: lookups.size > 0 ? lookups : undefined,
    };
  }

  *#rulesByTable(): Iterable<readonly [table: string, rule: ActiveRule]> {
    for (const rule of this.registry.all()) {
      const table = entityTable(this.dataSource, rule.entity as Function | string);
      if (table !== undefined) yield [table, rule];
    }
    for (const rule of this.registry.remote) yield* remoteRulesByTable(this.dataSource, rule);
  }
}
