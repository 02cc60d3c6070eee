import type { EntityReference } from './rule-options.js';

/** A property path of an entity. */
export interface EntityProperty {
  /** `related`: a column of a related row. `many`: a path through a list of related rows. `whole`: a relation or an embedded. */
  readonly kind: 'column' | 'related' | 'many' | 'whole';
  /** The entity that has the column. */
  readonly entityName: string;
  readonly isNullable: boolean;
  /** The allowed values of an enum column. */
  readonly choices?: readonly unknown[];
}

/** An entity as its DataSource describes it. */
export interface EntityShape {
  /** True for a database view, which has no writes. */
  readonly isView: boolean;
  /** True for a view whose rows are those of its last REFRESH. */
  readonly isMaterialized: boolean;
  /** The entity's own paths that a rule may name. */
  readonly paths: readonly string[];
  property(path: string): EntityProperty | undefined;
}

/** Describes the entities of the DataSources. */
export interface EntityCatalogue {
  /** `undefined` if no initialised DataSource has the entity. */
  shapeOf(entity: EntityReference): EntityShape | undefined;
}
