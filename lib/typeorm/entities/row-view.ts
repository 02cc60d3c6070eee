import type { PathReading, RowView } from '../../invalidation/change.interface.js';
import { isRelated, isWrittenAlike, storedValue, UNKNOWN } from './columns.js';
import type { OrmColumn, OrmMetadata, OrmRelation } from '../typeorm.interface.js';

/** The columns of an entity and the paths that name them. Made once for an entity, so that a view is an array of values. */
export interface RowLayout {
  readonly metadata: OrmMetadata;
  readonly columns: readonly OrmColumn[];
  readonly index: ReadonlyMap<string, number>;
  /** By the names that columns have in the database. Children of an inheritance tree may have one column under two properties. */
  readonly byName: ReadonlyMap<string, readonly number[]>;
  /** Relations that own join columns, by path, with the positions of those columns. */
  readonly relations: ReadonlyMap<
    string,
    { readonly relation: OrmRelation; readonly positions: readonly number[] }
  >;
}

const layouts = new WeakMap<OrmMetadata, RowLayout>();

/** One state of a row. Values are copied when it is made, since the caller may go on changing the entity. */
export class EntityRowView implements RowView {
  readonly #layout: RowLayout;
  readonly #values: readonly unknown[];
  readonly #related: ReadonlyMap<string, object> | undefined;
  readonly #isGiven: boolean;
  #object: Record<string, unknown> | undefined;
  /** Values that were looked up of uncertain paths, and when. */
  #learned: Map<string, { readonly reading: PathReading; readonly turn: number }> | undefined;

  /** @param isGiven whether the values were given to the database, rather than read from it */
  constructor(
    layout: RowLayout,
    values: readonly unknown[],
    related?: ReadonlyMap<string, object>,
    isGiven = false,
  ) {
    this.#layout = layout;
    this.#values = values;
    this.#related = related;
    this.#isGiven = isGiven;
  }

  get metadata(): OrmMetadata {
    return this.#layout.metadata;
  }

  /** True if the value of a path is that of the database: a related object in memory may have been loaded long ago. */
  isCertain(path: string): boolean {
    return this.#learned?.get(path)?.reading.known === true || this.#readOwn(path, false).known;
  }

  /** The same row with the values of another state for all columns but the named ones. What was looked up is forgotten. */
  replacedBy(other: EntityRowView, names: ReadonlySet<string>): EntityRowView {
    if (this.#layout !== other.#layout) return this;
    const values = this.#values.map((value, position) => {
      const met = other.#values[position];
      const { propertyPath, relationMetadata } = this.#layout.columns[position]!;
      if (met === UNKNOWN || value === UNKNOWN) return value === UNKNOWN && !this.#isGiven ? met : value;
      return names.has(propertyPath) || names.has(relationMetadata?.propertyPath ?? '') ? value : met;
    });
    const related = [...(this.#related ?? [])].filter(([path]) =>
      this.#layout.relations
        .get(path)
        ?.positions.every((position) => !differ(values[position], this.#values[position])),
    );
    return new EntityRowView(
      this.#layout,
      values,
      related.length > 0 ? new Map(related) : undefined,
      this.#isGiven,
    );
  }

  /** The same row, of which only the primary key and the named columns are known. */
  withOnly(names: ReadonlySet<string>): EntityRowView {
    const values = this.#values.map((value, position) => {
      const { isPrimary, propertyPath, relationMetadata } = this.#layout.columns[position]!;
      return isPrimary || names.has(propertyPath) || names.has(relationMetadata?.propertyPath ?? '')
        ? value
        : UNKNOWN;
    });
    return new EntityRowView(this.#layout, values, undefined, this.#isGiven);
  }

  /** The same row with the related objects of a later state, as far as its foreign keys are the same. */
  withRelatedOf(later: EntityRowView): EntityRowView {
    if (later.#related === undefined || this.#layout !== later.#layout) return this;
    const isSame = (position: number): boolean => {
      const [one, other] = [this.#values[position], later.#values[position]];
      return one !== UNKNOWN && other !== UNKNOWN && !differ(one, other);
    };
    const related = [...later.#related].filter(
      ([path]) => this.#layout.relations.get(path)?.positions.every(isSame) === true,
    );
    return related.length === 0
      ? this
      : new EntityRowView(this.#layout, this.#values, new Map(related), this.#isGiven);
  }

  /** True if the row itself holds the value of a path, so that nothing need be looked up. */
  holds(path: string): boolean {
    return this.#readOwn(path, false).known;
  }

  /** Takes a value that was read from the database. Where an object in memory has another one, either may have been cached. */
  learn(path: string, value: unknown, turn: number): void {
    if (this.isCertain(path)) return;
    const own = this.#readOwn(path);
    const reading: PathReading =
      own.known && differ(own.value, value) ? { known: false } : { known: true, value };
    (this.#learned ??= new Map()).set(path, { reading, turn });
  }

  /** True if anything was looked up before that turn. */
  hasLearnedBefore(turn: number): boolean {
    return [...(this.#learned?.values() ?? [])].some((each) => each.turn < turn);
  }

  read(path: string): PathReading {
    return this.#learned?.get(path)?.reading ?? this.#readOwn(path);
  }

  #readOwn(path: string, withRelated = true): PathReading {
    const position = this.#layout.index.get(path);
    if (position === undefined) return this.#readDeeper(path, withRelated ? this.#related : undefined);
    const value = this.#valueAt(position);
    return value === UNKNOWN ? { known: false } : { known: true, value };
  }

  /** Computed when it is read: most columns are not mapped by a rule. */
  #valueAt(position: number): unknown {
    const value = this.#values[position];
    return this.#isGiven ? storedValue(this.#layout.columns[position]!, value) : value;
  }

  get complete(): boolean {
    return this.#layout.columns.every(
      (column, position) =>
        this.#valueAt(position) !== UNKNOWN || (column.isVirtual && column.relationMetadata === undefined),
    );
  }

  get object(): Readonly<Record<string, unknown>> {
    return (this.#object ??= this.#build());
  }

  /** The same row by the columns of another entity on the table. Values that the two write differently are unknown. */
  as(layout: RowLayout): EntityRowView {
    const view = new EntityRowView(
      layout,
      layout.columns.map((column) => this.#valueFor(column)),
      this.#relatedFor(layout),
    );
    for (const [path, learned] of this.#learned ?? [])
      if (sharesRelation(this.#layout, layout, path.split('.', 1)[0]!))
        (view.#learned ??= new Map()).set(path, learned);
    return view;
  }

  /** The value for a column of another entity on the table. */
  #valueFor(column: OrmColumn): unknown {
    let value: unknown = UNKNOWN;
    for (const position of this.#layout.byName.get(column.databaseName) ?? []) {
      const own = this.#layout.columns[position]!;
      const reading = this.read(pathOf(own));
      if (!reading.known) continue;
      if (!isWrittenAlike(own, column) || differ(value, reading.value)) return UNKNOWN;
      value = reading.value;
    }
    return value;
  }

  #relatedFor(layout: RowLayout): ReadonlyMap<string, object> | undefined {
    const kept = [...(this.#related ?? [])].filter(([path]) => sharesRelation(this.#layout, layout, path));
    return kept.length === 0 ? undefined : new Map(kept);
  }

  /** True if a column is known in both views with different values, compared as databases write them. */
  contradicts(other: EntityRowView): boolean {
    if (this.#layout !== other.#layout) return false;
    return this.#values.some((value, position) => differ(value, other.#values[position]));
  }

  /** The same row, in which the named columns and relations are unknown, and every value that was looked up. */
  without(names: ReadonlySet<string>): EntityRowView {
    const values = this.#values.map((value, position) => {
      const { propertyPath, relationMetadata } = this.#layout.columns[position]!;
      return names.has(propertyPath) || names.has(relationMetadata?.propertyPath ?? '') ? UNKNOWN : value;
    });
    return new EntityRowView(this.#layout, values, this.#related, this.#isGiven);
  }

  /** A path that is not a column: beyond a relation, into a JSON value, or a whole embedded. */
  #readDeeper(path: string, related: ReadonlyMap<string, object> | undefined): PathReading {
    const embedded = this.#readEmbedded(path);
    if (embedded !== undefined) return embedded;
    for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
      const head = path.slice(0, dot);
      const rest = path.slice(dot + 1);
      const joined = this.#layout.relations.get(head);
      if (joined !== undefined) {
        if (joined.positions.some((position) => this.#values[position] === null))
          return { known: true, value: null };
        return beyondRelation(related?.get(head), rest);
      }
      const position = this.#layout.index.get(head);
      if (position !== undefined) {
        const value = this.#valueAt(position);
        return value === UNKNOWN ? { known: false } : { known: true, value: walk(value, rest) ?? null };
      }
    }
    return { known: false };
  }

  #readEmbedded(path: string): PathReading | undefined {
    const prefix = `${path}.`;
    let value: Record<string, unknown> | undefined;
    for (let position = 0; position < this.#values.length; position++) {
      const column = this.#layout.columns[position]!;
      if (!column.propertyPath.startsWith(prefix)) continue;
      const part = this.#valueAt(position);
      if (part === UNKNOWN) return { known: false };
      place((value ??= {}), column.propertyPath.slice(prefix.length), part);
    }
    return value && { known: true, value };
  }

  #build(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#layout.columns.forEach((column, position) => {
      const value = this.#valueAt(position);
      const { relationMetadata: relation, referencedColumn } = column;
      if (value === UNKNOWN) return;
      if (relation === undefined || referencedColumn === undefined || column.entityMetadata.isJunction) {
        place(object, column.propertyPath, value);
        return;
      }
      if (!column.isVirtual) place(object, column.propertyPath, value);
      if (value === null) place(object, relation.propertyPath, null);
      else place(object, `${relation.propertyPath}.${referencedColumn.propertyPath}`, value);
    });
    for (const [path, related] of this.#related ?? []) {
      const known = Object.entries(related).filter(([, value]) => value !== null && value !== undefined);
      for (const [property, value] of known)
        if (!isRelated(value)) place(object, `${path}.${property}`, value);
    }
    return object;
  }
}

export function layoutOf(metadata: OrmMetadata): RowLayout {
  let layout = layouts.get(metadata);
  if (layout === undefined) layouts.set(metadata, (layout = buildLayout(metadata)));
  return layout;
}

function buildLayout(metadata: OrmMetadata): RowLayout {
  const columns = metadata.columns.filter((column) => column.isVirtualProperty !== true);
  const index = new Map<string, number>();
  const byName = new Map<string, number[]>();
  const relations = new Map<string, { relation: OrmRelation; positions: number[] }>();
  const alias = (path: string, position: number) => index.has(path) || index.set(path, position);

  columns.forEach((column, position) => {
    if (!column.isVirtual || metadata.isJunction) index.set(column.propertyPath, position);
  });
  columns.forEach((column, position) => {
    const { relationMetadata: relation, referencedColumn } = column;
    if (relation !== undefined && referencedColumn !== undefined && !metadata.isJunction) {
      const joined = relations.get(relation.propertyPath) ?? { relation, positions: [] };
      joined.positions.push(position);
      relations.set(relation.propertyPath, joined);
      alias(`${relation.propertyPath}.${referencedColumn.propertyPath}`, position);
    }
    alias(column.databaseName, position);
    byName.set(column.databaseName, [...(byName.get(column.databaseName) ?? []), position]);
  });
  // A relation's own path reads as its foreign key, which is what `{ author: 'author' }` in a mapping means.
  for (const [path, { positions }] of relations) if (positions.length === 1) alias(path, positions[0]!);
  return { metadata, columns, index, byName, relations };
}

/** A path that reads the column. */
function pathOf({
  isVirtual,
  entityMetadata,
  propertyPath,
  relationMetadata,
  referencedColumn,
}: OrmColumn): string {
  if (!isVirtual || entityMetadata.isJunction || relationMetadata === undefined) return propertyPath;
  return referencedColumn === undefined
    ? relationMetadata.propertyPath
    : `${relationMetadata.propertyPath}.${referencedColumn.propertyPath}`;
}

/** Dates, JSON and buffers count as equal: one value can be written in too many ways to compare them. */
function differ(one: unknown, other: unknown): boolean {
  if (one === other || one === UNKNOWN || other === UNKNOWN) return false;
  if (one === null || other === null) return true;
  if (typeof one === 'object' || typeof other === 'object') return false;
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b)
    ? String(one).trim().toLowerCase() !== String(other).trim().toLowerCase()
    : a !== b;
}

/** Whether two entities on a table have a relation under one name, to the same entity by the same columns. */
function sharesRelation(one: RowLayout, other: RowLayout, path: string): boolean {
  const [a, b] = [one, other].map(({ relations }) => relations.get(path));
  if (a === undefined || b === undefined) return false;
  const namesOf = ({ columns }: RowLayout, positions: readonly number[]): string =>
    positions.map((position) => columns[position]!.databaseName).join();
  return (
    a.relation.inverseEntityMetadata.target === b.relation.inverseEntityMetadata.target &&
    namesOf(one, a.positions) === namesOf(other, b.positions)
  );
}

/** Nulls of a related object in memory may be TypeORM's placeholders for columns that were left out. */
function beyondRelation(related: object | undefined, path: string): PathReading {
  const value = walk(related, path);
  return value === undefined || value === null || typeof value === 'function'
    ? { known: false }
    : { known: true, value };
}

function walk(value: unknown, path: string): unknown {
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function place(object: Record<string, unknown>, path: string, value: unknown): void {
  const steps = path.split('.');
  const last = steps.pop()!;
  let holder = object;
  for (const step of steps) {
    const next = holder[step];
    if (next === null) return;
    holder = typeof next === 'object' ? (next as Record<string, unknown>) : ((holder[step] = {}) as never);
  }
  holder[last] = value;
}
