import type { Change } from '../../invalidation/change.interface.js';
import { tableOf } from '../entities/columns.js';
import { idText, readPaths, type ReadPaths } from '../entities/entity-paths.js';
import { databaseState } from '../rows/row-states.js';
import { EntityRowView } from '../entities/row-view.js';
import type { Runners } from './runners.js';
import { inSavepoint } from '../sql/transaction-control.js';
import { dialectOf } from '../dialects.js';
import { nextTurn } from './stale-reads.js';
import type { OrmDataSource, OrmEntityEvent, OrmMetadata, OrmQueryRunner } from '../typeorm.interface.js';

/** Rows of one entity that are to be read in one query. */
interface Batch {
  readonly ids: Map<string, unknown>;
  readonly paths: Set<string>;
}

/** What a row was before the statement that is about to be run. */
interface Former {
  readonly turn: number;
  readonly values: ReadPaths;
}

/** The part of the collector's outlet that lookups use. */
export interface LookupOutlet {
  /** Paths that are read from the database where a change does not carry them, by table. */
  readonly lookups: ReadonlyMap<string, readonly string[]>;
  report(error: unknown, where: string): void;
  guard(where: string, hook: () => Promise<void> | undefined): Promise<void> | undefined;
}

/**
 * Reads mapped paths that a change does not carry, where a rule asks for it: those that a statement is about to change
 * before it, the others before the COMMIT, on the query runner of the change. What cannot be read stays unknown.
 */
export class Lookups {
  readonly #formers = new WeakMap<object, Former>();
  readonly #batches = new WeakMap<OrmQueryRunner, Map<OrmMetadata, Batch & { read: Promise<ReadAll> }>>();
  readonly #needsSavepoint: boolean;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly outlet: LookupOutlet,
    private readonly runners: Runners,
  ) {
    this.#needsSavepoint = dialectOf(dataSource).abortsOnError;
  }

  /** Whether any rule asks for lookups. */
  get areWanted(): boolean {
    return this.outlet.lookups.size > 0;
  }

  /** An entity's before* hook: what the statement will change is read now. The rows of one save() make one query. */
  before(event: OrmEntityEvent, changesRow: boolean): Promise<void> | undefined {
    const { metadata, databaseEntity, queryRunner } = event;
    const wanted = this.outlet.lookups.get(tableOf(metadata));
    if (wanted === undefined || databaseEntity === undefined) return undefined;
    const names = changesRow ? undefined : namesOf(event);
    const view = databaseState(metadata, databaseEntity);
    const paths = wanted.filter(
      (path) => !view.read(path).known && (names === undefined || touches(names, path)),
    );
    if (paths.length === 0) return undefined;
    const id = metadata.getEntityIdMixedMap(databaseEntity);
    return this.#readWithOthers(queryRunner, metadata, id, paths).then((rows) => {
      const values = rows.get(idText(metadata, id));
      if (values !== undefined) this.#formers.set(databaseEntity, { turn: rows.turn, values });
    });
  }

  /** Gives a change what was read of its row before the statement. */
  recall(event: OrmEntityEvent, change: Change | undefined): void {
    const former = event.databaseEntity && this.#formers.get(event.databaseEntity);
    if (former !== undefined && change?.before instanceof EntityRowView)
      for (const [path, value] of former.values) change.before.learn(path, value, former.turn);
  }

  /**
   * Reads what is missing of rows as they are now. What it answers never rejects: it may stand before a COMMIT.
   * @returns nothing where nothing is missing
   */
  complete(changes: readonly Change[], runner: OrmQueryRunner): Promise<void> | undefined {
    if (!this.areWanted) return undefined;
    return this.outlet
      .guard('lookup', () => this.#complete(changes, runner))
      ?.catch((error: unknown) => this.outlet.report(error, 'lookup'));
  }

  #complete(changes: readonly Change[], runner: OrmQueryRunner): Promise<void> | undefined {
    const { lookups } = this.outlet;
    const batches = new Map<OrmMetadata, Batch>();
    for (const change of changes) this.#gather(change, lookups.get(change.table) ?? [], batches);
    if (batches.size === 0) {
      this.#teach(changes, new Map());
      return undefined;
    }
    return this.#completeAll(changes, batches, runner);
  }

  async #completeAll(
    changes: readonly Change[],
    batches: ReadonlyMap<OrmMetadata, Batch>,
    runner: OrmQueryRunner,
  ): Promise<void> {
    const read = new Map<OrmMetadata, ReadAll>();
    for (const [metadata, batch] of batches) read.set(metadata, await this.#read(runner, metadata, batch));
    this.#teach(changes, read);
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

  #teach(changes: readonly Change[], read: ReadonlyMap<OrmMetadata, ReadAll>): void {
    for (const { table, id, before, after, updatedColumns } of changes) {
      const paths = this.outlet.lookups.get(table);
      if (paths === undefined || !(after instanceof EntityRowView)) continue;
      const rows = read.get(after.metadata);
      const values = id === undefined ? undefined : rows?.get(idText(after.metadata, id));
      for (const path of paths) {
        if (values?.has(path) === true) after.learn(path, values.get(path), rows!.turn);
        // What the change did not touch was the same before.
        const reading = after.read(path);
        const isSame = updatedColumns !== undefined && !touches(updatedColumns, path);
        if (reading.known && isSame && after.isCertain(path) && before instanceof EntityRowView)
          before.learn(path, reading.value, rows?.turn ?? 0);
      }
    }
  }

  /** The hooks of one save() come in one turn of the event loop: their rows are read together. */
  #readWithOthers(
    runner: OrmQueryRunner,
    metadata: OrmMetadata,
    id: unknown,
    paths: readonly string[],
  ): Promise<ReadAll> {
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

  /** Never rejects: what could not be read is unknown. */
  async #read(runner: OrmQueryRunner, metadata: OrmMetadata, { ids, paths }: Batch): Promise<ReadAll> {
    const turn = nextTurn();
    try {
      const read = (): Promise<Map<string, ReadPaths>> =>
        readPaths(this.dataSource, runner, metadata, [...ids.values()], [...paths]);
      const isGuarded = this.#needsSavepoint && this.runners.isOpen(runner);
      return new ReadAll(turn, await (isGuarded ? this.#inSavepoint(runner, read) : read()));
    } catch (error) {
      this.outlet.report(error, 'lookup');
      return new ReadAll(turn, new Map());
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

/** Rows as they were read, and when. */
class ReadAll {
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

/** The columns and relations that an update will write, by every name they have. */
function namesOf({ updatedColumns = [], updatedRelations = [] }: OrmEntityEvent): readonly string[] {
  const relations = [...updatedRelations, ...updatedColumns.map((column) => column.relationMetadata)];
  return [
    ...updatedColumns.map(({ propertyPath }) => propertyPath),
    ...relations.flatMap((relation) => relation?.propertyPath ?? []),
  ];
}

function touches(names: readonly string[], path: string): boolean {
  return names.some((name) => path === name || path.startsWith(`${name}.`) || name.startsWith(`${path}.`));
}
