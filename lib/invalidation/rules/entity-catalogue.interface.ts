import type { EntityReference } from './rule-options.js';

/** What is known of a property path of an entity. */
export interface EntityProperty {
  /** `related`: a column of a related row. `many`: beyond a list of related rows. `whole`: a relation or an embedded. */
  readonly kind: 'column' | 'related' | 'many' | 'whole';
  /** The entity whose column it is. */
  readonly entityName: string;
  readonly isNullable: boolean;
  /** The only values it may have, for columns of an enum. */
  readonly choices?: readonly unknown[];
}

/** What is known of an entity. */
export interface EntityShape {
  /** A database view: nothing is ever written to it. */
  readonly isView: boolean;
  /** Every path of its own that a rule may name. */
  readonly paths: readonly string[];
  property(path: string): EntityProperty | undefined;
}

/** Describes the entities of the data sources. */
export interface EntityCatalogue {
  /** `undefined` while no data source that is initialised knows the entity. */
  shapeOf(entity: EntityReference): EntityShape | undefined;
}
