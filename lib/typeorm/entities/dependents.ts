import { tableOf } from './columns.js';
import type { OrmForeignKey, OrmMetadata } from '../typeorm.interface.js';

/** A table whose rows the database itself changes when a row they refer to goes. No hook ever tells of it. */
export interface Dependent {
  readonly metadata: OrmMetadata;
  readonly table: string;
  /** `remove`: ON DELETE CASCADE. `update`: SET NULL or SET DEFAULT on `columns`. */
  readonly effect: 'remove' | 'update';
  readonly columns: readonly string[];
  /** Reached directly, by a foreign key to the table itself; the others follow from these. */
  readonly direct: boolean;
}

/**
 * For each table, what follows from deleting its rows. CASCADE goes on to the dependents of the dependent; SET NULL ends
 * there. Compared by table, so that a foreign key to the child of an inheritance tree counts for the whole tree.
 */
export function buildDependents(
  metadatas: readonly OrmMetadata[],
  actionOf: (foreignKey: OrmForeignKey) => string | undefined,
): ReadonlyMap<string, readonly Dependent[]> {
  const direct = new Map<string, Dependent[]>();
  for (const metadata of metadatas) {
    for (const foreignKey of metadata.foreignKeys) {
      const action = actionOf(foreignKey) ?? '';
      if (!/CASCADE|SET/i.test(action)) continue;
      const referenced = tableOf(foreignKey.referencedEntityMetadata);
      const dependent: Dependent = {
        metadata,
        table: tableOf(metadata),
        effect: /CASCADE/i.test(action) ? 'remove' : 'update',
        columns: foreignKey.columns.flatMap(namesOf),
        direct: true,
      };
      direct.set(referenced, [...(direct.get(referenced) ?? []), dependent]);
    }
  }
  return new Map([...direct.keys()].map((table) => [table, closure(table, direct)]));
}

function closure(table: string, direct: ReadonlyMap<string, readonly Dependent[]>): Dependent[] {
  const found = new Map<string, Dependent>();
  const visit = (from: string) => {
    for (const dependent of direct.get(from) ?? []) {
      const key = `${dependent.table}|${dependent.effect}|${dependent.columns.join()}`;
      if (found.has(key)) continue;
      found.set(key, { ...dependent, direct: from === table });
      if (dependent.effect === 'remove') visit(dependent.table);
    }
  };
  visit(table);
  return [...found.values()];
}

function namesOf(column: OrmForeignKey['columns'][number]): string[] {
  const relation = column.relationMetadata?.propertyPath;
  if (column.entityMetadata.isJunction) return [column.propertyPath];
  return [...(column.isVirtual ? [] : [column.propertyPath]), ...(relation === undefined ? [] : [relation])];
}
