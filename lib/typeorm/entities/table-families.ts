import type { OrmDataSource } from '../typeorm.interface.js';

/** With more tables, those beyond count as unknown. */
const MAX_TABLES = 20_000;

const TABLES = `SELECT lower(n.nspname || '.' || c.relname) AS "name", lower(pn.nspname || '.' || p.relname) AS "parent"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
LIMIT ${MAX_TABLES}`;

type Row = { readonly name: string; readonly parent: string | null };

/**
 * Tables whose rows are those of others as well, from PostgreSQL's catalogue: partitions and children by INHERITS. A write on a parent
 * changes rows of its children, and the other way round.
 */
export class TableFamilies {
  /** Tables with partitions or children. */
  readonly parents: readonly string[];
  readonly #byLastName = new Map<string, string[]>();
  readonly #relatives = new Map<string, ReadonlySet<string>>();

  constructor(rows: readonly Row[]) {
    const up = new Map<string, string[]>();
    const down = new Map<string, string[]>();
    const add = (to: Map<string, string[]>, key: string, value: string): void =>
      void to.set(key, [...(to.get(key) ?? []), value]);
    for (const { name, parent } of rows) {
      const last = name.slice(name.lastIndexOf('.') + 1);
      const known = this.#byLastName.get(last) ?? [];
      if (!known.includes(name)) this.#byLastName.set(last, [...known, name]);
      if (parent === null) continue;
      add(up, name, parent);
      add(down, parent, name);
    }
    this.parents = [...down.keys()];
    for (const name of new Set([...up.keys(), ...down.keys()]))
      this.#relatives.set(name, new Set([...reached(name, up), ...reached(name, down)]));
  }

  static async read(dataSource: OrmDataSource): Promise<TableFamilies> {
    const { query } = dataSource as OrmDataSource & { query(sql: string): Promise<Row[]> };
    return new TableFamilies(await query.call(dataSource, TABLES));
  }

  /** True if the name is that of a table. */
  knows(path: readonly string[]): boolean {
    return this.#named(path).length > 0;
  }

  /** The tables that share rows with those of this name, the tables themselves not among them. */
  relativesOf(path: readonly string[]): readonly string[] {
    return this.#relatives.size === 0
      ? []
      : this.#named(path).flatMap((name) => [...(this.#relatives.get(name) ?? [])]);
  }

  #named(path: readonly string[]): readonly string[] {
    const name = path.join('.');
    const candidates = this.#byLastName.get(path.at(-1) ?? '') ?? [];
    return candidates.filter((one) => one === name || one.endsWith(`.${name}`) || name.endsWith(`.${one}`));
  }
}

function reached(from: string, steps: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop())
    for (const next of steps.get(name) ?? [])
      if (!found.has(next)) {
        found.add(next);
        open.push(next);
      }
  return found;
}
