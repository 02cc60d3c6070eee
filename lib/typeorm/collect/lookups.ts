import type { Change } from '../../invalidation/change.interface.js';
import { followPath, idText, readPaths, type ReadPaths } from '../entities/entity-paths.js';
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
    // The parent of the row is asked again after the COMMIT.
    for (const key of paths.flatMap((path) => keysOf(metadata, path)))
      if (!view.read(key).known) paths.push(key);
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

  /**
   * Reads again, after the COMMIT, what was looked up inside the transaction: its snapshot may be older than what others have committed
   * since, and others may have committed since it was read.
   *
   * @returns the changes once more, with the present values, where those differ or cannot be read; `undefined` where nothing was looked up
   */
  again(
    changes: readonly Change[],
    runner: OrmQueryRunner,
    wanted: WantedPaths,
  ): Promise<readonly Change[]> | undefined {
    const lookedUp = changes.filter((change) => isLookedUp(change, wanted));
    return lookedUp.length === 0 ? undefined : this.#again(lookedUp, runner, wanted);
  }

  async #again(
    changes: readonly Change[],
    runner: OrmQueryRunner,
    wanted: WantedPaths,
  ): Promise<readonly Change[]> {
    const batches = new Map<OrmMetadata, Batch>();
    const places = changes.map((change) => placesOf(change, wanted.get(change.table)!));
    for (const { metadata, id, path } of places.flat()) {
      let batch = batches.get(metadata);
      if (batch === undefined) batches.set(metadata, (batch = newBatch()));
      batch.ids.set(idText(metadata, id), id);
      batch.paths.add(path);
    }
    const read = new Map<OrmMetadata, ReadRows>();
    for (const [metadata, batch] of batches) read.set(metadata, await this.#read(runner, metadata, batch));
    return changes.flatMap(
      (change, i) => presentChange(change, wanted.get(change.table)!, places[i]!, read) ?? [],
    );
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

/** A value to be read again: of the row as it is now, or of the parent that it was moved or removed from. */
interface Place {
  readonly side: 'before' | 'after';
  /** As a rule maps it. */
  readonly mapped: string;
  readonly metadata: OrmMetadata;
  readonly id: unknown;
  readonly path: string;
}

/** The foreign keys by which the first relation of a path is found, as paths. */
function keysOf(metadata: OrmMetadata, path: string): string[] {
  const [relation] = followPath(metadata, path)?.joins ?? [];
  if (relation?.isOwning !== true) return [];
  return relation.joinColumns.map(
    ({ referencedColumn }) => `${relation.propertyPath}.${referencedColumn!.propertyPath}`,
  );
}

/** True if a mapped value of a change is known by a look-up. */
export function isLookedUp(change: Change, wanted: WantedPaths): boolean {
  const paths = wanted.get(change.table) ?? [];
  return [change.before, change.after].some(
    (view) =>
      view instanceof EntityRowView && paths.some((path) => view.read(path).known && !view.holds(path)),
  );
}

function placesOf(change: Change, paths: readonly string[]): Place[] {
  const { id, before, after, updatedColumns } = change;
  const places: Place[] = [];
  for (const path of paths) {
    if (after instanceof EntityRowView && id !== undefined && !after.holds(path))
      places.push({ side: 'after', mapped: path, metadata: after.metadata, id, path });
    const hasMoved = after === null || updatedColumns === undefined || touches(updatedColumns, path);
    const parent =
      hasMoved && before instanceof EntityRowView && !before.holds(path) ? parentOf(before, path) : undefined;
    if (parent !== undefined) places.push({ side: 'before', mapped: path, ...parent });
  }
  return places;
}

/** The row that the first relation of a path leads to, by its primary key. */
function parentOf(view: EntityRowView, path: string): Pick<Place, 'metadata' | 'id' | 'path'> | undefined {
  const [relation] = followPath(view.metadata, path)?.joins ?? [];
  if (relation?.isOwning !== true) return undefined;
  const metadata = relation.inverseEntityMetadata;
  const key: Record<string, unknown> = {};
  for (const { referencedColumn } of relation.joinColumns) {
    const reading = view.read(`${relation.propertyPath}.${referencedColumn!.propertyPath}`);
    if (!reading.known || referencedColumn?.isPrimary !== true) return undefined;
    key[referencedColumn.propertyPath] = reading.value;
  }
  if (Object.keys(key).length !== metadata.primaryColumns.length) return undefined;
  const id = metadata.hasMultiplePrimaryKeys ? key : key[metadata.primaryColumns[0]!.propertyPath];
  return { metadata, id, path: path.slice(relation.propertyPath.length + 1) };
}

/** A change with the values that were read last; `undefined` where they are those that it has already. */
function presentChange(
  change: Change,
  paths: readonly string[],
  places: readonly Place[],
  read: ReadonlyMap<OrmMetadata, ReadRows>,
): Change | undefined {
  const { updatedColumns } = change;
  const sides = { before: renewed(change.before), after: renewed(change.after) };
  for (const { side, mapped, metadata, id, path } of places) {
    const rows = read.get(metadata)!;
    const values = rows.get(idText(metadata, id));
    const view = sides[side];
    if (values?.has(path) === true && view instanceof EntityRowView)
      view.learn(mapped, values.get(path), rows.turn);
  }
  const { before, after } = sides;
  for (const path of paths) {
    if (!(before instanceof EntityRowView) || before.read(path).known) continue;
    const hasParent = places.some(({ side, mapped }) => side === 'before' && mapped === path);
    const isMoved = after === null || updatedColumns === undefined || touches(updatedColumns, path);
    const from = isMoved ? change.before : after;
    const isOwnColumn = (followPath(before.metadata, path)?.joins.length ?? 1) === 0;
    const reading = hasParent || (isMoved && !isOwnColumn) ? undefined : from?.read(path);
    if (reading?.known === true) before.learn(path, reading.value, 0);
  }
  const isSame = paths.every(
    (path) => sameReading(change.before, before, path) && sameReading(change.after, after, path),
  );
  return isSame ? undefined : { ...change, before, after };
}

function renewed(view: Change['before']): Change['before'] {
  return view instanceof EntityRowView ? view.without(NO_NAMES) : view;
}

/** A value that was unknown has dropped everything already. */
function sameReading(first: Change['before'], second: Change['before'], path: string): boolean {
  const one = first?.read(path);
  const other = second?.read(path);
  if (one?.known !== true) return true;
  return other?.known === true && (one.value === other.value || String(one.value) === String(other.value));
}

const NO_NAMES: ReadonlySet<string> = new Set();

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
