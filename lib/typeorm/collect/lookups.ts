import type { Change } from '../../invalidation/change.interface.js';
import { idText, readPaths, type ReadPaths } from '../entities/entity-paths.js';
import { databaseState } from '../rows/row-states.js';
import { EntityRowView } from '../entities/row-view.js';
import type { Runners } from './runners.js';
import { inSavepoint } from '../sql/transaction-control.js';
import { dialectOf } from '../dialects.js';
import { nextTurn } from './stale-reads.js';
import type { OrmDataSource, OrmEntityEvent, OrmMetadata, OrmQueryRunner } from '../typeorm.interface.js';

/** By table: the paths that rules want to be read. */
type WantedPaths = ReadonlyMap<string, readonly string[]>;

/** Where errors of lookups go. */
export interface LookupHost {
  report(error: unknown, where: string): void;
  guard(where: string, hook: () => Promise<void> | undefined): Promise<void> | undefined;
}

/** Rows of one entity that are read in one query. */
interface Batch {
  readonly ids: Map<string, unknown>;
  readonly paths: Set<string>;
}

/** Values of a row before the statement that changes it. */
interface OldValues {
  readonly turn: number;
  readonly values: ReadPaths;
}

/**
 * Reads mapped paths that a change does not carry, where a rule has `lookup: true`: old values before the statement that changes
 * them, all others before the COMMIT, on the query runner of the change. What cannot be read stays unknown.
 */
export class Lookups {
  readonly #oldValues = new WeakMap<object, OldValues>();
  readonly #batches = new WeakMap<OrmQueryRunner, Map<OrmMetadata, Batch & { read: Promise<ReadRows> }>>();
  readonly #needsSavepoint: boolean;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly host: LookupHost,
    private readonly runners: Runners,
  ) {
    this.#needsSavepoint = dialectOf(dataSource).abortsOnError;
  }

  /** A `before` hook: reads old values that the statement will change. The rows of one save() make one query. */
  before(
    event: OrmEntityEvent,
    changesRow: boolean,
    wanted: readonly string[] | undefined,
  ): Promise<void> | undefined {
    const { metadata, databaseEntity, queryRunner } = event;
    if (wanted === undefined || databaseEntity === undefined) return undefined;
    const names = changesRow ? undefined : assignedNames(event);
    const view = databaseState(metadata, databaseEntity);
    const paths = wanted.filter(
      (path) => !view.read(path).known && (names === undefined || touches(names, path)),
    );
    if (paths.length === 0) return undefined;
    const id = metadata.getEntityIdMixedMap(databaseEntity);
    return this.#readTogether(queryRunner, metadata, id, paths).then((rows) => {
      const values = rows.get(idText(metadata, id));
      if (values !== undefined) this.#oldValues.set(databaseEntity, { turn: rows.turn, values });
    });
  }

  /** Adds to a change the old values that were read before its statement. */
  recall(event: OrmEntityEvent, change: Change | undefined): void {
    const old = event.databaseEntity && this.#oldValues.get(event.databaseEntity);
    if (old !== undefined && change?.before instanceof EntityRowView)
      for (const [path, value] of old.values) change.before.learn(path, value, old.turn);
  }

  /**
   * Reads the missing paths of rows as they are now. The promise never rejects, since a COMMIT may wait for it.
   * @returns `undefined` where nothing is missing
   */
  complete(
    changes: readonly Change[],
    runner: OrmQueryRunner,
    wanted: WantedPaths,
  ): Promise<void> | undefined {
    return this.host
      .guard('lookup', () => this.#complete(changes, runner, wanted))
      ?.catch((error: unknown) => this.host.report(error, 'lookup'));
  }

  #complete(
    changes: readonly Change[],
    runner: OrmQueryRunner,
    wanted: WantedPaths,
  ): Promise<void> | undefined {
    const batches = new Map<OrmMetadata, Batch>();
    for (const change of changes) this.#gather(change, wanted.get(change.table) ?? [], batches);
    if (batches.size > 0) return this.#completeAll(changes, batches, runner, wanted);
    this.#teach(changes, new Map(), wanted);
    return undefined;
  }

  async #completeAll(
    changes: readonly Change[],
    batches: ReadonlyMap<OrmMetadata, Batch>,
    runner: OrmQueryRunner,
    wanted: WantedPaths,
  ): Promise<void> {
    const read = new Map<OrmMetadata, ReadRows>();
    for (const [metadata, batch] of batches) read.set(metadata, await this.#read(runner, metadata, batch));
    this.#teach(changes, read, wanted);
  }

  #gather(change: Change, paths: readonly string[], batches: Map<OrmMetadata, Batch>): void {
    const { id, before, after } = change;
    if (id === undefined || before === undefined || !(after instanceof EntityRowView)) return;
    const missing = paths.filter((path) => !after.isCertain(path));
    if (missing.length === 0) return;
    const batch = batches.get(after.metadata) ?? newBatch();
    batches.set(after.metadata, batch);
    batch.ids.set(idText(after.metadata, id), id);
    for (const path of missing) batch.paths.add(path);
  }

  /** Adds the values that were read to the changes of their rows. */
  #teach(changes: readonly Change[], read: ReadonlyMap<OrmMetadata, ReadRows>, wanted: WantedPaths): void {
    for (const { table, id, before, after, updatedColumns } of changes) {
      const paths = wanted.get(table);
      if (paths === undefined || !(after instanceof EntityRowView)) continue;
      const rows = read.get(after.metadata);
      const values = id === undefined ? undefined : rows?.get(idText(after.metadata, id));
      for (const path of paths) {
        if (values?.has(path) === true) after.learn(path, values.get(path), rows!.turn);
        // A path that the change did not touch had the same value before.
        const reading = after.read(path);
        const isSame = updatedColumns !== undefined && !touches(updatedColumns, path);
        if (reading.known && isSame && after.isCertain(path) && before instanceof EntityRowView)
          before.learn(path, reading.value, rows?.turn ?? 0);
      }
    }
  }

  /** The hooks of one save() come in one turn of the event loop: their rows are read by one query. */
  #readTogether(
    runner: OrmQueryRunner,
    metadata: OrmMetadata,
    id: unknown,
    paths: readonly string[],
  ): Promise<ReadRows> {
    let batches = this.#batches.get(runner);
    if (batches === undefined) this.#batches.set(runner, (batches = new Map()));
    let batch = batches.get(metadata);
    if (batch === undefined) {
      const rows = newBatch();
      const read = Promise.resolve().then(() => {
        batches.delete(metadata);
        return this.#read(runner, metadata, rows);
      });
      batches.set(metadata, (batch = { ...rows, read }));
    }
    batch.ids.set(idText(metadata, id), id);
    for (const path of paths) batch.paths.add(path);
    return batch.read;
  }

  /** Never rejects: what cannot be read stays unknown. */
  async #read(runner: OrmQueryRunner, metadata: OrmMetadata, { ids, paths }: Batch): Promise<ReadRows> {
    const turn = nextTurn();
    try {
      const read = (): Promise<Map<string, ReadPaths>> =>
        readPaths(this.dataSource, runner, metadata, [...ids.values()], [...paths]);
      const isGuarded = this.#needsSavepoint && this.runners.isOpen(runner);
      return new ReadRows(turn, await (isGuarded ? this.#inSavepoint(runner, read) : read()));
    } catch (error) {
      this.host.report(error, 'lookup');
      return new ReadRows(turn, new Map());
    }
  }

  #inSavepoint<T>(runner: OrmQueryRunner, read: () => Promise<T>): Promise<T> {
    const transaction = this.runners.of(runner);
    let before = 0;
    const counted = (): Promise<T> => {
      before = transaction.statements;
      return read();
    };
    return inSavepoint(runner, counted, () => transaction.statements - before <= 1);
  }
}

/** Rows of one query, and when it began. */
class ReadRows {
  constructor(
    readonly turn: number,
    private readonly rows: ReadonlyMap<string, ReadPaths>,
  ) {}

  get(id: string): ReadPaths | undefined {
    return this.rows.get(id);
  }
}

function newBatch(): Batch {
  return { ids: new Map(), paths: new Set() };
}

/** The columns and relations that an update assigns, by every name that they have. */
function assignedNames({ updatedColumns = [], updatedRelations = [] }: OrmEntityEvent): readonly string[] {
  const relations = [...updatedRelations, ...updatedColumns.map((column) => column.relationMetadata)];
  return [
    ...updatedColumns.map(({ propertyPath }) => propertyPath),
    ...relations.flatMap((relation) => relation?.propertyPath ?? []),
  ];
}

function touches(names: readonly string[], path: string): boolean {
  return names.some((name) => path === name || path.startsWith(`${name}.`) || name.startsWith(`${path}.`));
}
