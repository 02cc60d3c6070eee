import type { ActiveRule, ManifestSource, RuleRegistry } from '../invalidation/index.js';
import { RemoteRule } from '../invalidation/index.js';
import type { ChangeInterest } from './collect/change-emitter.js';
import { tableOf } from './entities/columns.js';
import { findMetadata, localEntity, tablesOfRemote, type EntityReference } from './entities/entities.js';
import { changeAs, columnsNamed, isKindOf } from './entities/shared-tables.js';
import type { TableFamilies } from './entities/table-families.js';
import { KnownTables } from './entities/tables.js';
import type { EntityTableChange, OrmDataSource, OrmMetadata } from './typeorm.interface.js';

/** With more DataSources, only those are asked for new metadata that are about to write, or had none. */
export const MAX_COMPARED = 16;

/**
 * The DataSources of one database, and the rules that a change in it concerns. Rules are matched by table: the writer may know the
 * table by another class than the rule, by a DataSource without entities, or by a junction.
 */
export class Database {
  readonly #members = new Map<OrmDataSource, readonly OrmMetadata[]>();
  readonly #families = new Map<string, TableFamilies>();
  #tables: RuleTables | undefined;
  /** Called when a statement wrote a table of unknown name, which may be a new partition. */
  onUnknownTable: () => void = () => undefined;

  /** @param id tells it apart from others with the same tables; empty where nothing does */
  constructor(
    readonly id: string,
    private readonly registry: RuleRegistry,
    private readonly isDurable: (rule: ActiveRule) => boolean,
  ) {}

  add(dataSource: OrmDataSource): void {
    this.#members.set(dataSource, dataSource.entityMetadatas);
    this.#tables = undefined;
  }

  remove(dataSource: OrmDataSource): void {
    this.#members.delete(dataSource);
    this.#tables = undefined;
  }

  get families(): readonly TableFamilies[] {
    return [...this.#families.values()];
  }

  /** Takes what the catalogue of a server says of its tables. */
  setFamilies(server: string, families: TableFamilies): void {
    this.#families.set(server, families);
    this.#tables = undefined;
  }

  /** True if partitions or children of tables are known, so that more of them may come. */
  get hasFamilies(): boolean {
    return this.rules().known.partitioned.length > 0;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** The tables and rules as they are. @param asking a DataSource that may have been initialised anew */
  rules(asking?: OrmDataSource): RuleTables {
    let isKnown = this.#tables?.isOf(this.registry) === true;
    const isSmall = this.#members.size <= MAX_COMPARED;
    for (const [dataSource, metadatas] of isSmall || asking === undefined
      ? this.#members
      : [[asking, this.#members.get(asking)!] as const, ...this.#uninitialised()]) {
      if (dataSource.entityMetadatas === metadatas) continue;
      this.#members.set(dataSource, dataSource.entityMetadatas);
      isKnown = false;
    }
    if (!isKnown)
      this.#tables = new RuleTables(this, [...this.#members.values()].flat(), this.registry, this.isDurable);
    return this.#tables!;
  }

  #uninitialised(): (readonly [OrmDataSource, readonly OrmMetadata[]])[] {
    return [...this.#members].filter(([, metadatas]) => metadatas.length === 0);
  }
}

/** A rule on a table. Without an entity it is one of another process. */
interface RuleOnTable {
  readonly rule: ActiveRule;
  readonly entity?: OrmMetadata;
  /** The rows of the rule's entity are in another table, which changes with this one. */
  readonly source?: ManifestSource;
}

/** The rules that changes of an entity concern. */
interface Concerned {
  /** Those that read the properties of the entity itself. */
  readonly own: readonly ActiveRule[];
  /** Those that some changes of the entity concern. */
  readonly some: readonly { readonly rule: ActiveRule; isMeant(change: EntityTableChange): boolean }[];
  /** Those of other entities on the table. */
  readonly others: readonly { readonly entity: OrmMetadata; readonly rules: readonly ActiveRule[] }[];
}

/** The tables of a database, with the rules on each. Never changed: other rules or entities make another. */
export class RuleTables implements ChangeInterest {
  readonly known: KnownTables;
  /** The tables that rules watch; `undefined`: all. */
  readonly tables: ReadonlySet<string> | undefined;
  readonly durableTables: ReadonlySet<string> | undefined;
  readonly #auto: ActiveRule | undefined;
  readonly lookups: ReadonlyMap<string, readonly string[]> | undefined;
  readonly movable: ReadonlySet<string>;
  readonly #revision: number;
  readonly #isReading: boolean;
  readonly #rules = new Map<string, RuleOnTable[]>();
  readonly #concerned = new Map<OrmMetadata | string, Concerned>();
  readonly #translated = new WeakMap<EntityTableChange, Map<OrmMetadata, EntityTableChange>>();
  readonly #rulesOf = new WeakMap<EntityTableChange, readonly ActiveRule[]>();

  constructor(
    private readonly database: Database,
    metadatas: readonly OrmMetadata[],
    registry: RuleRegistry,
    isDurable: (rule: ActiveRule) => boolean,
  ) {
    this.#revision = registry.revision;
    this.#isReading = registry.tablesToMatch !== undefined;
    const named = registry.remote
      .filter((rule) => rule.isIn(database.id))
      .flatMap(({ tables, sources }) => [...tables, ...sources.map(({ table }) => table)]);
    this.#auto = registry.auto;
    const takesAny = this.#isReading || this.#auto !== undefined;
    this.known = new KnownTables(metadatas, named, takesAny, database.families);
    const durable = new Set<string>();
    for (const [table, on] of this.#onTables(registry)) {
      this.#rules.set(table, [...(this.#rules.get(table) ?? []), on]);
      if (isDurable(on.rule)) for (const name of this.known.related(table)) durable.add(name);
    }
    this.tables =
      this.#auto === undefined
        ? new Set([...this.#rules.keys()].flatMap((table) => this.known.related(table)))
        : undefined;
    this.durableTables = this.#auto !== undefined && isDurable(this.#auto) ? undefined : durable;
    this.lookups = this.#lookups();
    this.movable = this.#movable();
  }

  *#onTables(registry: RuleRegistry): Iterable<readonly [table: string, on: RuleOnTable]> {
    const { metadatas } = this.known;
    for (const rule of registry.all())
      for (const entity of entitiesNamed(metadatas, rule.entity as EntityReference))
        yield [tableOf(entity), { rule, entity }];
    for (const rule of registry.remote.filter((one) => one.isIn(this.database.id))) {
      for (const table of tablesOfRemote(metadatas, rule)) yield [table, { rule }];
      for (const source of rule.sources) yield [source.table, { rule, source }];
    }
  }

  #movable(): ReadonlySet<string> {
    const movable = new Set<string>();
    for (const [table, rules] of this.#rules) {
      const [metadata] = this.known.metadatas.filter((one) => tableOf(one) === table);
      const isMovable = rules.some(
        ({ rule, entity = metadata, source }) => source !== undefined || readsMore(rule, entity),
      );
      if (isMovable) for (const name of this.known.related(table)) movable.add(name);
    }
    return movable;
  }

  #lookups(): ReadonlyMap<string, readonly string[]> | undefined {
    const lookups = new Map<string, Set<string>>();
    for (const { metadata, table } of this.known.metadatas.map((one) => ({
      metadata: one,
      table: tableOf(one),
    })))
      for (const rule of this.#concernedBy(metadata, table).own)
        for (const path of rule.lookups) lookups.set(table, (lookups.get(table) ?? new Set()).add(path));
    return lookups.size === 0
      ? undefined
      : new Map([...lookups].map(([table, paths]) => [table, [...paths]]));
  }

  isOf({ revision, tablesToMatch }: RuleRegistry): boolean {
    return this.#revision === revision && this.#isReading === (tablesToMatch !== undefined);
  }

  /** True if a change of a table concerns a rule of one of these methods. */
  covers(table: string, methods: ReadonlySet<string>): boolean {
    return this.known
      .related(table)
      .some((name) => this.#rules.get(name)?.some(({ rule }) => methods.has(rule.target.name)) === true);
  }

  /** The tables whose changes may concern a rule of another process. */
  ofRemote(rule: RemoteRule): readonly string[] {
    if (!rule.isIn(this.database.id)) return [];
    const tables = [...tablesOfRemote(this.known.metadatas, rule), ...rule.sources.map(({ table }) => table)];
    return tables.flatMap((table) => this.known.related(table));
  }

  /** The changes, each for every entity by which a rule knows its table. */
  expand(changes: readonly EntityTableChange[]): readonly EntityTableChange[] {
    const { id } = this.database;
    if (id !== '') for (const change of changes) change.dataSourceId = id;
    let expanded: EntityTableChange[] | undefined;
    changes.forEach((change, position) => {
      const { own, some, others } = this.#concernedBy(change.metadata, change.table);
      if (others.length > 0) expanded ??= changes.slice(0, position);
      if (others.length === 0 || own.length + some.length > 0) expanded?.push(change);
      for (const { entity, rules } of others) expanded!.push(this.#translate(change, entity, rules));
    });
    return expanded ?? changes;
  }

  /** The rules that a change concerns, which {@link expand} returned. */
  readonly rulesOf = (change: EntityTableChange): readonly ActiveRule[] => {
    const translated = this.#rulesOf.get(change);
    if (translated !== undefined) return translated;
    const { own, some } = this.#concernedBy(change.metadata, change.table);
    if (some.length === 0) return own;
    return [...own, ...some.flatMap(({ rule, isMeant }) => (isMeant(change) ? rule : []))];
  };

  #translate(
    change: EntityTableChange,
    entity: OrmMetadata,
    rules: readonly ActiveRule[],
  ): EntityTableChange {
    const translations = this.#translated.get(change) ?? new Map<OrmMetadata, EntityTableChange>();
    this.#translated.set(change, translations);
    const translated = translations.get(entity) ?? changeAs(change, entity);
    translated.dataSourceId = change.dataSourceId;
    translations.set(entity, translated);
    this.#rulesOf.set(translated, rules);
    return translated;
  }

  #concernedBy(metadata: OrmMetadata | undefined, table: string): Concerned {
    let concerned = this.#concerned.get(metadata ?? table);
    if (concerned === undefined)
      this.#concerned.set(metadata ?? table, (concerned = this.#findConcerned(metadata, table)));
    return concerned;
  }

  #findConcerned(metadata: OrmMetadata | undefined, table: string): Concerned {
    const own = new Set<ActiveRule>(this.#auto === undefined ? [] : [this.#auto]);
    const others = new Map<OrmMetadata, ActiveRule[]>();
    const rules = this.known.related(table).flatMap((name) => this.#rules.get(name) ?? []);
    const some: Concerned['some'][number][] = [];
    const local = metadata && localEntity(metadata);
    for (const { rule, source } of rules) {
      if (!(rule instanceof RemoteRule)) continue;
      if (source === undefined) {
        own.add(local === undefined ? rule : rule.on(local));
        continue;
      }
      const onSource = rule.onSource(source, local);
      if (onSource !== undefined)
        some.push({ rule: onSource, isMeant: (change) => changesSource(source, change) });
    }
    for (const { rule, entity } of rules) {
      if (entity === undefined) continue;
      if (metadata !== undefined && isKindOf(metadata, entity)) own.add(rule);
      else others.set(entity, [...(others.get(entity) ?? []), rule]);
    }
    // One table under several names: the change itself says more.
    for (const [entity, of] of others) {
      const left = of.filter((rule) => !own.has(rule));
      if (left.length === 0) others.delete(entity);
      else others.set(entity, left);
    }
    return { own: [...own], some, others: [...others].map(([entity, of]) => ({ entity, rules: of })) };
  }
}

/** Whether a change of a table changes rows of the table that it is a source of. */
function changesSource({ by, keys = [] }: ManifestSource, change: EntityTableChange): boolean {
  const { type, removes, metadata, updatedColumns } = change;
  switch (by) {
    case 'link':
      return true;
    case 'remove':
      return type === 'remove' || removes !== undefined;
    case 'truncate':
      return removes === 'all';
    case 'key':
      if (type !== 'update' || metadata === undefined || updatedColumns === undefined)
        return type === 'update' || type === 'unknown';
      return updatedColumns.some((name) =>
        columnsNamed(metadata, name).some(({ databaseName }) => keys.includes(databaseName)),
      );
  }
}

/** The entities that a rule names: one class may be mapped onto several tables, by several DataSources. */
export function entitiesNamed(
  metadatas: readonly OrmMetadata[],
  entity: EntityReference,
): readonly OrmMetadata[] {
  const first = findMetadata({ entityMetadatas: metadatas }, entity);
  if (first === undefined) return [];
  if (typeof first.target === 'function' && first.target === entity)
    return metadatas.filter(({ target }) => target === entity);
  return metadatas.filter((one) => one === first || (one.name === first.name && one.target === first.target));
}

/** True if a rule reads more of a row than its primary key, which never changes. */
function readsMore({ options, invalidator }: ActiveRule, entity: OrmMetadata | undefined): boolean {
  const { fieldMapping, invalidateWhen } = options;
  if (invalidator !== undefined || invalidateWhen !== undefined) return true;
  if (typeof fieldMapping !== 'object') return fieldMapping !== undefined;
  const keys = entity?.primaryColumns.map(({ propertyPath }) => propertyPath);
  return Object.values(fieldMapping as Readonly<Record<string, string>>).some(
    (path) => keys?.includes(path) !== true,
  );
}
