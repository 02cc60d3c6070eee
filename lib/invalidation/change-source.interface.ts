import type { MaybePromise } from '../stores/store.interface.js';

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
