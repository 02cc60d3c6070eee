import type { CacheRuntime } from '../cache/cache-runtime.js';
import { currentLoad } from '../cache/engine/load-context.js';
import type { InstanceClass } from '../cache/values/classes.js';
import type { Attempt, ChangeTransaction, InvalidationService, RuleRegistry } from '../invalidation/index.js';
import type { ChangeInterest } from './collect/change-emitter.js';
import type { Database, RuleTables } from './database.js';
import { LoadTables } from './load-tables.js';
import { dialectOf, isKnownType, typeOf } from './dialects.js';
import { type ChangeTarget, EarlyChanges } from './early-changes.js';
import { describeEntity, entityClasses } from './entities/entities.js';
import type { KnownTables } from './entities/tables.js';
import type { ReportUnsupported } from './patches/replaced-method.js';
import { StatementTransactions } from './patches/statement-transactions.js';
import { inSavepoint } from './sql/transaction-control.js';
import type { EntityTableChange, OrmDataSource, OrmMetadata, OrmQueryRunner } from './typeorm.interface.js';

/** The parts of an application that carry out its rules. */
export interface BindingContext {
  readonly runtime: CacheRuntime;
  readonly registry: RuleRegistry;
  readonly service: InvalidationService;
  readonly exactStatements: boolean;
}

/** One DataSource: receives its changes and finds the rules that each of them concerns. */
export class DataSourceBinding implements ChangeTarget {
  readonly #changes: EarlyChanges;
  readonly #statementTransactions: StatementTransactions;
  readonly reportUnsupported: ReportUnsupported;
  /** The tables that queries of loads read. */
  readonly loadTables: LoadTables;
  #metadatas: readonly OrmMetadata[] | undefined;
  /** Time of the last change of each table. */
  readonly #changedAt = new Map<string, number>();

  constructor(
    private readonly dataSource: OrmDataSource,
    readonly database: Database,
    private readonly context: BindingContext,
    early = new EarlyChanges(dataSource),
  ) {
    const { log } = context.runtime;
    const type = typeOf(dataSource);
    if (!isKnownType(dataSource))
      log.warn(
        `database ${type}`,
        `The DataSource has the type '${type}', which this version does not know: more is invalidated than necessary, and SQL text of ` +
          'this database may be misread.',
      );
    this.reportUnsupported = (part, effect) =>
      log.warn(`unsupported ${part}`, `${part} ('${type}') is not as in TypeORM 0.3 and 1: ${effect}.`);
    this.loadTables = new LoadTables(
      dataSource,
      context.runtime.space,
      () => this.tables(),
      (error) => this.#schemaUnread(error),
    );
    database.add(dataSource);
    this.#changes = early;
    early.target = this;
    this.#statementTransactions = new StatementTransactions(
      dataSource,
      () => this.#current().durableTables,
      this.reportUnsupported,
      () => this.#current().known,
    );
    this.#current();
  }

  get exactStatements(): boolean {
    return this.context.exactStatements;
  }

  get isReplicated(): boolean {
    return (this.dataSource.options as { replication?: unknown }).replication !== undefined;
  }

  /** The rules are known: carries them out on the changes that came before. */
  settle(): void | Promise<void> {
    return this.#changes.settle();
  }

  /** While rules of other processes may be missing here, all tables count, and the sink remembers which were written. */
  interest(): ChangeInterest {
    const rules = this.#current();
    if (this.context.registry.tablesToMatch === undefined) return rules;
    const { durableTables, lookups, movable } = rules;
    return { tables: undefined, durableTables, lookups, movable };
  }

  tables(): KnownTables {
    return this.#current().known;
  }

  unknownTable(): void {
    this.database.onUnknownTable();
  }

  query(sql: string): void {
    const load = currentLoad();
    if (load?.tableTags === this.context.runtime.space) load.readTables(this.loadTables.tagsOf(sql));
    this.loadTables.ran(sql);
  }

  queryInOpenTransaction(): void {
    this.context.runtime.refuseCurrentLoad('a query in it ran inside an open transaction');
  }

  #schemaUnread(error: unknown): void {
    this.context.runtime.log.error(
      'schema',
      `The views and functions of the database could not be read, so entries with invalidatesOn: 'auto' are dropped by a change of any ` +
        'table until a read succeeds. Grant the account the right to read the catalogue',
      error,
    );
  }

  report(error: unknown, where: string): void {
    this.context.runtime.log.error(`collector ${where}`, `Collecting changes failed in ${where}`, error);
  }

  committing(changes: readonly EntityTableChange[], queryRunner: object): Promise<void> | undefined {
    const { dataSource } = this;
    const transaction = { queryRunner, dataSource } as ChangeTransaction;
    const attempt: Attempt = (work) =>
      dialectOf(dataSource).abortsOnError ? inSavepoint(queryRunner as OrmQueryRunner, work) : work();
    const rules = this.#current();
    return this.context.service.committing(rules.expand(changes), rules.rulesOf, transaction, attempt);
  }

  committed(changes: readonly EntityTableChange[]): void | Promise<void> {
    const { service, registry } = this.context;
    for (const { table } of changes) registry.tablesToMatch?.add(table);
    const rules = this.#current();
    const now = this.context.runtime.settings.clock.now();
    for (const { table } of changes) this.#changedAt.set(table, now);
    return service.committed(rules.expand(changes), rules.rulesOf, this.isReplicated);
  }

  /** True if one of the tables was changed after a time. Milliseconds since the epoch. */
  hasChanged(tables: ReadonlySet<string>, since: number): boolean {
    const { known } = this.#current();
    return [...tables]
      .flatMap((table) => known.related(table))
      .some((table) => (this.#changedAt.get(table) ?? -Infinity) > since);
  }

  /** Carries out changes that were committed past the DataSource. */
  commit(changes: readonly EntityTableChange[]): void | Promise<void> {
    const { tables } = this.#current();
    const wanted = tables === undefined ? changes : changes.filter(({ table }) => tables.has(table));
    return wanted.length === 0 ? undefined : this.committed(wanted);
  }

  detach(): void {
    this.#changes.detach();
    this.#statementTransactions.close();
    this.database.remove(this.dataSource);
  }

  /** The present tables and rules. */
  #current(): RuleTables {
    const { runtime } = this.context;
    const { entityMetadatas } = this.dataSource;
    if (this.#metadatas !== entityMetadatas) {
      this.#metadatas = entityMetadatas;
      for (const target of entityClasses(this.dataSource)) {
        const table = describeEntity(this.dataSource, target);
        runtime.know(target as unknown as InstanceClass, runtime.classes, table);
      }
    }
    return this.database.rules(this.dataSource);
  }
}
