import { dialectOf } from '../dialects.js';
import { idText } from '../entities/entity-paths.js';
import { EntityRowView, layoutOf } from '../entities/row-view.js';
import type {
  EntityTableChange,
  OrmColumn,
  OrmDataSource,
  OrmEntityEvent,
  OrmMetadata,
  OrmQueryRunner,
} from '../typeorm.interface.js';
import type { LookupHost } from './lookups.js';
import { UNKNOWN } from '../entities/columns.js';

/** Not read, since they are large. */
const LARGE = /^(?:jsonb?|bytea|xml|tsvector|.*blob|mediumtext|longtext)$/;
const ROW = 'restflow_met';

interface LockingBuilder {
  withDeleted(): this;
  cache(enabled: boolean): this;
  select(selections: string[]): this;
  addSelect(selection: string, alias: string): this;
  whereInIds(ids: readonly unknown[]): this;
  setLock(mode: string): this;
  getRawMany(): Promise<Record<string, unknown>[]>;
}

type LockingSource = OrmDataSource & {
  createQueryBuilder(target: OrmMetadata['target'], alias: string, runner: OrmQueryRunner): LockingBuilder;
  readonly driver: { prepareHydratedValue(value: unknown, column: OrmColumn): unknown };
};

interface Batch {
  readonly ids: Map<string, unknown>;
  readonly read: Promise<ReadonlyMap<string, EntityRowView>>;
}

/**
 * Reads the rows that a save() or remove() is about to change, under the lock that its statement takes anyway. TypeORM has read them
 * before its transaction and without a lock, so another process may have moved them since: then the change would be told of the
 * place before that, and what was cached of the place between would stay.
 */
export class MetRows {
  readonly #met = new WeakMap<object, EntityRowView>();
  readonly #batches = new WeakMap<OrmQueryRunner, Map<OrmMetadata, Batch>>();
  readonly #corrected = new WeakSet<object>();
  readonly #lock: string | undefined;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly host: LookupHost,
  ) {
    this.#lock = dialectOf(dataSource).beforeImage;
  }

  /** A `before` hook. The rows of one save() make one query for each entity. Rejects with the error that the statement would meet. */
  before({ metadata, databaseEntity, queryRunner }: OrmEntityEvent): Promise<void> | undefined {
    if (this.#lock === undefined || databaseEntity === undefined || !queryRunner.isTransactionActive)
      return undefined;
    if (metadata.primaryColumns.some(({ isVirtual }) => isVirtual)) return undefined;
    const id = metadata.getEntityIdMixedMap(databaseEntity);
    return this.#readTogether(queryRunner, metadata, id).then((rows) => {
      const met = rows.get(idText(metadata, id));
      if (met !== undefined) this.#met.set(databaseEntity, met);
    });
  }

  /** True for a change of the row that its statement met. */
  hasMet(change: object): boolean {
    return this.#corrected.has(change);
  }

  /** The change of the row that its statement met. */
  correct({ databaseEntity }: OrmEntityEvent, change: EntityTableChange): EntityTableChange {
    const met = databaseEntity && this.#met.get(databaseEntity);
    if (met === undefined || !(change.before instanceof EntityRowView)) return change;
    const corrected = this.#replace(change, change.before, met);
    if (corrected.before !== undefined) this.#corrected.add(corrected);
    return corrected;
  }

  #replace(change: EntityTableChange, read: EntityRowView, met: EntityRowView): EntityTableChange {
    const before = read.replacedBy(met, NO_NAMES);
    const { after, updatedColumns } = change;
    if (!(after instanceof EntityRowView)) return { ...change, before };
    if (updatedColumns !== undefined)
      return { ...change, before, after: after.replacedBy(met, new Set(updatedColumns)) };
    return before.contradicts(read) ? { ...change, before: undefined, after: undefined } : change;
  }

  #readTogether(runner: OrmQueryRunner, metadata: OrmMetadata, id: unknown): Batch['read'] {
    let batches = this.#batches.get(runner);
    if (batches === undefined) this.#batches.set(runner, (batches = new Map()));
    let batch = batches.get(metadata);
    if (batch === undefined) {
      const ids = new Map<string, unknown>();
      const read = Promise.resolve().then(() => {
        batches.delete(metadata);
        return this.#read(runner, metadata, [...ids.values()]);
      });
      batches.set(metadata, (batch = { ids, read }));
    }
    batch.ids.set(idText(metadata, id), id);
    return batch.read;
  }

  async #read(runner: OrmQueryRunner, metadata: OrmMetadata, ids: readonly unknown[]): Batch['read'] {
    const rows = new Map<string, EntityRowView>();
    const { driver } = this.dataSource as LockingSource;
    const layout = layoutOf(metadata);
    const isRead = layout.columns.map((column) => column.isPrimary || !LARGE.test(String(column.type)));
    const builder = (this.dataSource as LockingSource)
      .createQueryBuilder(metadata.target, ROW, runner)
      .withDeleted()
      .cache(false)
      .select([]);
    layout.columns.forEach((column, i) => {
      if (isRead[i]) builder.addSelect(`${ROW}.${column.propertyPath}`, `m${i}`);
    });
    if (this.#lock !== 'read') builder.setLock(this.#lock!);
    try {
      for (const row of await builder.whereInIds(ids).getRawMany()) {
        const values = layout.columns.map((column, i) => {
          const value = row[`m${i}`];
          if (!isRead[i] || value === undefined) return UNKNOWN;
          return value === null ? null : driver.prepareHydratedValue(value, column);
        });
        const view = new EntityRowView(layout, values);
        const keys = metadata.primaryColumns.map(({ propertyPath }) => [
          propertyPath,
          valueOf(view, propertyPath),
        ]);
        const id: unknown = metadata.hasMultiplePrimaryKeys ? Object.fromEntries(keys) : keys[0]![1];
        rows.set(idText(metadata, id), view);
      }
    } catch (error) {
      // The statement itself would meet this error, and would not run after it: a deadlock, a lock that was not given.
      if ((error as { driverError?: unknown }).driverError !== undefined) throw error;
      this.host.report(error, 'rows that a statement meets');
    }
    return rows;
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

function valueOf(view: EntityRowView, path: string): unknown {
  const reading = view.read(path);
  return reading.known ? reading.value : undefined;
}
