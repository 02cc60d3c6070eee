import { layoutOf } from './row-view.js';
import type { OrmColumn, OrmMetadata, OrmRelation } from '../typeorm.interface.js';

/** Where a dotted path of properties leads from an entity. */
export interface PathEnd {
  /** `relation` ends at a relation itself, `many` crosses a list of related rows, `part` is an embedded or inside JSON. */
  readonly kind: 'column' | 'relation' | 'many' | 'part';
  /** The relations to one row each that lie on the way and must be joined. */
  readonly joins: readonly OrmRelation[];
  /** The column it ends at, where it ends at one. */
  readonly column?: OrmColumn;
}

/** Follows a path through embeddeds and relations; `undefined` where there is no such property. */
export function followPath(metadata: OrmMetadata, path: string): PathEnd | undefined {
  return follow(metadata, path, []);
}

function follow(metadata: OrmMetadata, path: string, joins: readonly OrmRelation[]): PathEnd | undefined {
  const column = metadata.columns.find((each) => !each.isVirtual && each.propertyPath === path);
  if (column !== undefined) return { kind: 'column', joins, column };
  const relation = metadata.relations.find(
    ({ propertyPath }) => path === propertyPath || path.startsWith(`${propertyPath}.`),
  );
  if (relation !== undefined) return throughRelation(relation, path, joins);
  const isPart = metadata.columns.some(
    ({ propertyPath }) => propertyPath.startsWith(`${path}.`) || path.startsWith(`${propertyPath}.`),
  );
  if (isPart) return { kind: 'part', joins };
  const position = layoutOf(metadata).index.get(path);
  return position === undefined
    ? undefined
    : { kind: 'column', joins, column: layoutOf(metadata).columns[position]! };
}

function throughRelation(
  relation: OrmRelation,
  path: string,
  joins: readonly OrmRelation[],
): PathEnd | undefined {
  const isToMany = relation.relationType.endsWith('-to-many');
  if (path === relation.propertyPath) {
    const [only, ...others] = relation.joinColumns;
    if (isToMany || !relation.isOwning || only === undefined || others.length > 0)
      return { kind: 'relation', joins };
    return { kind: 'column', joins, column: only };
  }
  if (isToMany) return { kind: 'many', joins };
  const rest = path.slice(relation.propertyPath.length + 1);
  const key = relation.joinColumns.find(({ referencedColumn }) => referencedColumn?.propertyPath === rest);
  if (relation.isOwning && key !== undefined) return { kind: 'column', joins, column: key };
  return follow(relation.inverseEntityMetadata, rest, [...joins, relation]);
}
