import type { MaybePromise } from '../stores/store.interface.js';

/** The kinds of change a data source reports. `unknown` is a write whose nature or rows nobody told us. */
export type ChangeType = 'insert' | 'update' | 'remove' | 'softRemove' | 'recover' | 'unknown';

/** What is known about one property path of a row: its value, or that it cannot be known. */
export type PathReading = { readonly known: true; readonly value: unknown } | { readonly known: false };

/** One state (before or after the change) of a changed row. */
export interface RowView {
  /**
   * Reads a dotted path of entity property names (`'id'`, `'author.id'`, `'address.city'`).
   * A column that was not selected, or a relation that was not loaded, is `{ known: false }`; a known null is
   * `{ known: true, value: null }`. A path through a known null is a known null.
   */
  read(path: string): PathReading;
  /** The row as an object, as far as it is known: what custom mappings and `invalidateWhen` functions get. */
  readonly object: Readonly<Record<string, unknown>>;
  /** True when every column of the row is known, so that functions may read any of them. */
  readonly complete: boolean;
}

/** A committed (or in-doubt) change on one table. */
export interface Change {
  /** The physical table, as its data source spells it (`tablePath`): what rules are matched by. */
  readonly table: string;
  /** Name of the entity the change was reported for. */
  readonly entityName: string;
  /** The entity class, where there is one. */
  readonly entity: Function | undefined;
  readonly type: ChangeType;
  /** The row's identifier: the value itself for one primary column, a record for several, `undefined` if unknown. */
  readonly id: unknown;
  /**
   * The row before and after. `null`: the row did not exist then (insert has no before, remove no after).
   * `undefined`: rows unknown; rules widen to everything they could touch.
   */
  readonly before: RowView | null | undefined;
  readonly after: RowView | null | undefined;
  /** Property names of the columns and relations that changed; `undefined`: unknown, so any may have. */
  readonly updatedColumns: readonly string[] | undefined;
}

/** Receives changes once they are durable. Must never throw; awaited by the hook that reports the commit. */
export interface ChangeSink {
  /**
   * Told of what the outermost transaction has changed, before its COMMIT. A rejection fails the transaction; it is for
   * what must be written in the transaction or not at all.
   */
  committing?(changes: readonly Change[], queryRunner: object): Promise<void> | undefined;
  committed(changes: readonly Change[]): void | Promise<void>;
}

/**
 * A row that was changed by somebody else: values by column of the database. A row that was inserted has no `before`, one that
 * was removed no `after`; `unknown` names the table alone.
 *
 * @publicApi
 */
export interface RowChange {
  /** The table as TypeORM calls it (`tablePath`), in lower case. */
  readonly table: string;
  /** What was done to the row. */
  readonly type: 'insert' | 'update' | 'remove' | 'unknown';
  /** The row before; `null` if it did not exist, left out if it is unknown. */
  readonly before?: Readonly<Record<string, unknown>> | null | undefined;
  /** The row now; `null` if it is gone, left out if it is unknown. */
  readonly after?: Readonly<Record<string, unknown>> | null | undefined;
}

/**
 * The application, as a source of changes sees it.
 *
 * @publicApi
 */
export interface ChangeSourceHost {
  /** Carries out the rules that committed changes concern. */
  changed(rows: readonly RowChange[]): Promise<void>;
  /** Changes were missed, and nobody knows which: everything that rules watch counts as changed. */
  missed(): Promise<void>;
  /** Logs a failure, once for each topic. */
  failed(topic: string, message: string, error: unknown): void;
}

/**
 * Tells an application of writes that its DataSources do not see: `forRoot({ changeSources: [postgresChanges(…)] })`.
 *
 * @publicApi
 */
export interface ChangeSource {
  /** Called when the application has started. It must not keep it from starting. */
  start(host: ChangeSourceHost): MaybePromise<void>;
  /** Called when the application shuts down. */
  close(): MaybePromise<void>;
}
