import type { ForeignRule } from '../../invalidation/index.js';
import { tableOf } from './columns.js';
import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';

/**
 * Where a rule of another process may apply here: entities of its name, and those of its tables, whatever they are called.
 * Too many cost a load, too few a stale read.
 *
 * @returns by table, the rule as it is meant there
 */
export function foreignRulesByTable(
  dataSource: OrmDataSource,
  rule: ForeignRule,
): ReadonlyMap<string, ForeignRule> {
  const meant = new Map<string, OrmMetadata[]>();
  for (const metadata of dataSource.entityMetadatas) {
    const table = tableOf(metadata);
    const isMeant = isNamed(metadata, rule) || rule.tables.some((name) => endAlike(name, table));
    if (isMeant) meant.set(table, [...(meant.get(table) ?? []), metadata]);
  }
  return new Map(
    [...meant].map(([table, metadatas]) => {
      const named = metadatas.filter((metadata) => isNamed(metadata, rule));
      const judged = named.length > 0 ? named : metadatas;
      return [table, rule.on((path) => judged.every((metadata) => hasProperty(metadata, path)))] as const;
    }),
  );
}

function isNamed({ name, targetName }: OrmMetadata, { entityName }: ForeignRule): boolean {
  return name === entityName || targetName === entityName;
}

/** Updates name properties; a column's name in the database is none. */
function hasProperty({ columns, relations }: OrmMetadata, path: string): boolean {
  const overlaps = ({ propertyPath: known }: { readonly propertyPath: string }): boolean =>
    known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`);
  return columns.some((column) => !column.isVirtual && overlaps(column)) || relations.some(overlaps);
}

/** `article`, `public.article` and `db.public.article` are one table. */
function endAlike(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return long === short || long.endsWith(`.${short}`);
}
