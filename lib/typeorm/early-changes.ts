import { currentLoad } from '../cache/engine/load-context.js';
import type { ChangeSink } from '../invalidation/change.interface.js';
import type { ChangeInterest } from './collect/change-emitter.js';
import { attachCollector, type CollectorHandle } from './data-source.js';
import { KnownTables } from './entities/tables.js';
import type { ReportUnsupported } from './patches/replaced-method.js';
import { unknownChanges } from './rows/changes.js';
import type { EntityTableChange, OrmDataSource, OrmMetadata } from './typeorm.interface.js';

/** With more changes of a table, its rows count as unknown. */
const MAX_CHANGES = 100;

const EVERYTHING: ChangeInterest = {};

const EARLY = 'a query in it ran before the application had its DataSources';

/** The application, once it knows its rules. */
export interface ChangeTarget {
  readonly exactStatements: boolean;
  interest(): ChangeInterest;
  tables(): KnownTables;
  committing(changes: readonly EntityTableChange[], queryRunner: object): Promise<void> | undefined;
  committed(changes: readonly EntityTableChange[]): void | Promise<void>;
  queryInOpenTransaction(): void;
  unknownTable(): void;
  query(sql: string): void;
  report(error: unknown, where: string): void;
  readonly reportUnsupported: ReportUnsupported;
}

/**
 * Collects the changes of a DataSource, and keeps those that are committed before the application knows its rules: by migrations, the
 * synchronisation of the schema, asynchronous providers.
 */
export class EarlyChanges implements ChangeSink {
  readonly #handle: CollectorHandle;
  readonly #unsupported: Parameters<ReportUnsupported>[] = [];
  #kept: Map<string, EntityTableChange[]> | undefined = new Map();
  #target: ChangeTarget | undefined;
  #tables: { readonly of: readonly OrmMetadata[]; readonly known: KnownTables } | undefined;

  constructor(private readonly dataSource: OrmDataSource) {
    this.#handle = attachCollector(dataSource, this, {
      interest: () => this.#settled?.interest() ?? EVERYTHING,
      tables: () => this.#target?.tables() ?? this.#ownTables(),
      onQuery: (sql) => {
        if (this.#target !== undefined) this.#target.query(sql);
        else if (currentLoad()?.tableTags !== undefined) currentLoad()!.refuse(EARLY);
      },
      onUnknownTable: () => this.#target?.unknownTable(),
      isEarly: () => this.#kept !== undefined,
      exactStatements: () => this.#target?.exactStatements === true,
      onQueryInOpenTransaction: () => this.#target?.queryInOpenTransaction(),
      onError: (error, where) => this.#target?.report(error, where),
      onUnsupported: (...reported) => {
        if (this.#target === undefined) this.#unsupported.push(reported);
        else this.#target.reportUnsupported(...reported);
      },
    });
  }

  /** The application is there, but may lack rules. */
  set target(target: ChangeTarget) {
    this.#target = target;
    for (const reported of this.#unsupported.splice(0)) target.reportUnsupported(...reported);
  }

  /** The target, where it has its rules. */
  get #settled(): ChangeTarget | undefined {
    return this.#kept === undefined ? this.#target : undefined;
  }

  /** The application has its rules: it receives what was kept, and from now on everything at once. */
  settle(): void | Promise<void> {
    const changes = [...(this.#kept?.values() ?? [])].flat();
    this.#kept = undefined;
    return changes.length === 0 ? undefined : this.#target!.committed(changes);
  }

  committing(changes: readonly EntityTableChange[], queryRunner: object): Promise<void> | undefined {
    return this.#settled?.committing(changes, queryRunner);
  }

  committed(changes: readonly EntityTableChange[]): void | Promise<void> {
    if (this.#kept === undefined) return this.#target!.committed(changes);
    for (const change of changes)
      this.#keep(this.#kept, change.before === null ? change : unknownRow(change));
  }

  #keep(all: Map<string, EntityTableChange[]>, change: EntityTableChange): void {
    const kept = all.get(change.table);
    if (kept === undefined) all.set(change.table, [change]);
    else if (kept.length < MAX_CHANGES) kept.push(change);
    else if (kept.length === MAX_CHANGES) {
      const { known } = this.#tables ?? { known: this.#ownTables() };
      const unknown = unknownChanges(change.table, known, true, false);
      // One entry beyond the limit marks the table as collapsed.
      all.set(
        change.table,
        Array.from({ length: MAX_CHANGES + 1 }, (_, i) => unknown[i] ?? unknown[0]!),
      );
    }
  }

  /** Any name counts as that of a table: other DataSources of the database, and other processes, are not known yet. */
  #ownTables(): KnownTables {
    const { entityMetadatas } = this.dataSource;
    if (this.#tables?.of !== entityMetadatas)
      this.#tables = { of: entityMetadatas, known: new KnownTables(entityMetadatas, [], true) };
    return this.#tables.known;
  }

  detach(): void {
    this.#handle.detach();
  }
}

/** Saves side by side may have read an old row too early, which is not checked during the boot. */
function unknownRow(change: EntityTableChange): EntityTableChange {
  return { ...change, before: undefined, after: change.after === null ? null : undefined };
}
