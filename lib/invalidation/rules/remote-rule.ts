import type { KeySpace } from '../../cache/key-space.js';
import { anySpelling, writePartition } from '../../keys/index.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { ActiveRule } from './bound-rule.js';

import { stableText } from '../../common/messages.js';
import { keyOf, type ManifestRule, type ManifestSource } from './manifest-rule.js';
import { DATA_SOURCE_PATH, type RuleOptions } from './rule-options.js';

/** A rule of another process, made from its description in the manifest. */
export class RemoteRule implements ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  readonly tables: readonly string[];
  readonly target: ActiveRule['target'];
  readonly lookups: readonly string[];
  /** True if it is that of all entries which depend on the tables that their loads read. */
  readonly isAuto: boolean;
  readonly #partitionPrefix: string;

  /** @param dispatcher name of a dispatcher of this process */
  constructor(
    private readonly description: ManifestRule,
    private readonly space: KeySpace,
    readonly dispatcher: string,
    id = `${description.name}#${keyOf(description).slice(0, 8)}`,
  ) {
    const { method, entity, tables, mode, partition } = description;
    this.id = id;
    this.options = optionsOf(description);
    this.mode = mode;
    this.entityName = entity;
    this.tables = tables;
    this.isAuto = description.isAuto === true;
    this.target = this.isAuto
      ? { name: 'everything', methodTag: space.autoTag }
      : method === undefined
        ? { name: 'everything', methodTag: space.allTag }
        : { name: method, methodTag: space.methodTag(method) };
    this.lookups = partition?.lookup === true ? Object.values(partition.paths) : [];
    this.#partitionPrefix = space.partitionPrefix(method ?? '');
  }

  partitionTag(values: Readonly<Record<string, unknown>>): string {
    const { shape } = this.description.partition!;
    return (
      this.#partitionPrefix +
      writePartition(
        shape.filter(({ name }) => Object.hasOwn(values, name)),
        values,
      )
    );
  }

  anySpellingTag(values: Readonly<Record<string, unknown>>): string {
    return this.#partitionPrefix + anySpelling(Object.keys(values));
  }

  /** The rule by the properties of an entity of this process. Paths are found by their columns, where the rule tells them. */
  on(entity: LocalEntity): RemoteRule {
    const { watchFields, invalidateWhen, partition } = this.description;
    const watched = watchFields?.map((path) => this.#watchedOn(entity, path));
    const isWatched = watched?.every((paths) => paths !== undefined);
    const local: ManifestRule = {
      ...this.description,
      ...(watched && { watchFields: isWatched ? watched.flatMap((paths) => paths!) : (undefined as never) }),
      ...(invalidateWhen && {
        invalidateWhen: Object.fromEntries(
          Object.entries(invalidateWhen).map(([condition, wanted]) => {
            const path = condition.replace(/^!/, '');
            return [condition.slice(0, condition.length - path.length) + this.#readOn(entity, path), wanted];
          }),
        ),
      }),
      ...(partition && {
        partition: {
          ...partition,
          paths: Object.fromEntries(
            Object.entries(partition.paths).map(([field, path]) => [field, this.#readOn(entity, path)]),
          ),
        },
      }),
    };
    const isSame = stableText(local) === stableText(this.description);
    return isSame ? this : new RemoteRule(local, this.space, this.dispatcher, this.id);
  }

  /** True if its entity may be in the database with this id. */
  isIn(id: string): boolean {
    const { dataSources } = this.description;
    return id === '' || dataSources === undefined || dataSources.includes(id);
  }

  /** Other tables whose writes change rows of its entity. */
  get sources(): readonly ManifestSource[] {
    return this.description.sources ?? [];
  }

  /**
   * The rule for the changes of such a table; `undefined` where it does not watch what they change.
   * @param entity the entity of this process on that table, if there is one
   */
  onSource(
    { changes, columns = {} }: ManifestSource,
    entity: LocalEntity | undefined,
  ): RemoteRule | undefined {
    const { watchFields, partition, ...rest } = this.description;
    const isWatched = (path: string): boolean =>
      watchFields!.some(
        (field) => field === path || field.startsWith(`${path}.`) || path.startsWith(`${field}.`),
      );
    if (watchFields !== undefined && changes?.some(isWatched) === false) return undefined;
    const paths = Object.entries(partition?.paths ?? {}).map(([field, path]) => {
      if (path === DATA_SOURCE_PATH) return [field, path] as const;
      const column = columns[path];
      return [field, column && entity?.named(column)[0]] as const;
    });
    const isExact = paths.every(([, path]) => path !== undefined);
    const { invalidateWhen: _, ...unconditional } = rest;
    const local: ManifestRule = {
      ...unconditional,
      triggerOnCreate: true,
      ...(partition &&
        isExact && { partition: { ...partition, paths: Object.fromEntries(paths) as never, lookup: false } }),
    };
    return new RemoteRule(local, this.space, this.dispatcher, this.id);
  }

  /** The names under which updates tell a watched path; `undefined` where the entity lacks it, so that any update counts. */
  #watchedOn(entity: LocalEntity, path: string): readonly string[] | undefined {
    const columns = this.description.columns?.[path];
    if (columns === undefined) return entity.has(path) ? [path] : undefined;
    const named = columns.map((column) => entity.named(column));
    return named.some((paths) => paths.length === 0) ? undefined : named.flat();
  }

  /** The path that reads the value of a path of the rule. */
  #readOn(entity: LocalEntity, path: string): string {
    const { columns, transformed = [] } = this.description;
    const [column, ...others] = columns?.[path] ?? [];
    if (column === undefined || others.length > 0) return path;
    const named = entity.named(column);
    const local = named.includes(path) ? path : named[0];
    const isAlike = local !== undefined && entity.isTransformed(local) === transformed.includes(path);
    return isAlike && (local === path || !transformed.includes(path)) ? local : UNREADABLE;
  }
}

/** No property has this name: its value is unknown. */
const UNREADABLE = '?';

/** An entity of this process, on a table that a rule of another process names. */
export interface LocalEntity {
  /** Whether it has a column or relation at the path, or below it. */
  has(path: string): boolean;
  /** The paths of a column, by the name that it has in the database. */
  named(column: string): readonly string[];
  isTransformed(path: string): boolean;
}

function optionsOf(description: ManifestRule): RuleOptions {
  const { entity, mode, eager, triggerOnCreate } = description;
  const { partition, watchFields, invalidateWhen, dispatcherConfig } = description;
  return {
    entity,
    mode,
    eager,
    triggerOnCreate,
    ...(watchFields && { watchFields: watchFields as never }),
    ...(invalidateWhen && { invalidateWhen }),
    ...(dispatcherConfig && { dispatcherConfig }),
    ...(partition === undefined
      ? { scope: 'all' as const }
      : { fieldMapping: partition.paths as never, requireArgs: partition.requireArgs }),
  };
}
