import type { ChangeSourceState } from '../observability/metrics.js';
import type { MaybePromise } from '../stores/store.interface.js';

/** The kinds of change a DataSource reports. `unknown`: a write whose kind or rows are not known. */
export type ChangeType = 'insert' | 'update' | 'remove' | 'softRemove' | 'recover' | 'unknown';

/** The value of one property path of a row, or `known: false`. */
export type PathReading = { readonly known: true; readonly value: unknown } | { readonly known: false };

/** One state (before or after the change) of a changed row. */
export interface RowView {
  /**
   * Reads a dotted path of entity property names (`'id'`, `'author.id'`, `'address.city'`).
   * A column that was not selected, or a relation that was not loaded, is `{ known: false }`; a known null is
   * `{ known: true, value: null }`. A path through a known null is a known null.
   */
  read(path: string): PathReading;
  /** The known part of the row as an object, for mapping functions and custom invalidators. */
  readonly object: Readonly<Record<string, unknown>>;
  /** True if every column of the row is known. */
  readonly complete: boolean;
}

/** A committed (or in-doubt) change on one table. */
export interface Change {
  /** The table as its DataSource names it (`tablePath`). Rules are matched by it. */
  readonly table: string;
  /** Name of the changed entity. */
  readonly entityName: string;
  /** The entity class, where there is one. */
  readonly entity: Function | undefined;
  readonly type: ChangeType;
  /** The row's identifier: the value itself for one primary column, a record for several, `undefined` if unknown. */
  readonly id: unknown;
  /**
   * The row before and after the change. `null`: the row did not exist (`before` of an insert, `after` of a remove).
   * `undefined`: the rows are unknown, so rules drop everything that they could drop.
   */
  readonly before: RowView | null | undefined;
  readonly after: RowView | null | undefined;
  /** The id of its DataSource, where the application tells its DataSources apart. */
  readonly dataSourceId?: string | undefined;
  /** Property names of the columns and relations that changed; `undefined`: unknown, any of them may have. */
  readonly updatedColumns: readonly string[] | undefined;
}

/** Receives changes once they are durable. Must never throw; awaited by the hook that reports the commit. */
export interface ChangeSink {
  /**
   * Receives the changes of the outermost transaction before its COMMIT, to write jobs in the same transaction. A rejection
   * fails the transaction.
   */
  committing?(changes: readonly Change[], queryRunner: object): Promise<void> | undefined;
  /** Receives changes after their COMMIT. */
  committed(changes: readonly Change[]): void | Promise<void>;
}

/**
 * A row that was changed outside the application's DataSources, with its values by database column. An inserted row has no
 * `before`, a removed one no `after`; `unknown` names only the table.
 *
 * @publicApi
 */
export interface RowChange {
  /** The table as TypeORM names it (`tablePath`), in lower case. */
  readonly table: string;
  /** The kind of change. */
  readonly type: 'insert' | 'update' | 'remove' | 'unknown';
  /** The row before the change; `null` if it did not exist, omitted if unknown. */
  readonly before?: Readonly<Record<string, unknown>> | null | undefined;
  /** The row after the change; `null` if it was removed, omitted if unknown. */
  readonly after?: Readonly<Record<string, unknown>> | null | undefined;
  /**
   * The form of its values. `json`, the default: as `JSON.parse()` returns them; values of types that JSON cannot hold count as unknown.
   * `driver`: as the driver of the database returns them to TypeORM.
   */
  readonly encoding?: 'json' | 'driver' | undefined;
}

/**
 * The functions of the application that a change source calls.
 *
 * @publicApi
 */
export interface ChangeSourceHost {
  /** Reports committed changes: the rules on their tables are carried out. */
  changed(rows: readonly RowChange[]): Promise<void>;
  /** Reports that changes were missed: every table that rules watch counts as changed. */
  missed(): Promise<void>;
  /**
   * Resolves when every store has taken the invalidations of the changes reported so far. A source that remembers a position moves
   * it afterwards: a process that is killed before that reads the changes again.
   */
  delivered(): Promise<void>;
  /** True if a store is shared with other processes: a change that one process reports then invalidates in all of them. */
  readonly isShared: boolean;
  /** Logs a failure. Repeated failures with one topic are logged once. */
  failed(topic: string, message: string, error: unknown): void;
}

/**
 * Reports writes that the application's DataSources do not see: `forRoot({ changeSources: [postgresChanges(…)] })`.
 *
 * @publicApi
 */
export interface ChangeSource {
  /**
   * Called at the end of the boot. It rejects, which fails the boot, for a configuration that can never work; other errors are
   * reported with `host.failed()`.
   */
  start(host: ChangeSourceHost): MaybePromise<void>;
  /** Called when the application shuts down. */
  close(): MaybePromise<void>;
  /** Its state, shown in `cache.health()` and in the metrics. */
  state?(): ChangeSourceState;
}
