import { dialectOf } from './dialects.js';
import type { OrmDataSource } from './typeorm.interface.js';

/** An object of a schema. A policy is that of the table with its name. */
interface SchemaRow {
  readonly kind: 'table' | 'view' | 'function' | 'policy';
  readonly name: string;
  readonly definition: string | null;
}

/** Tables, views and functions of a database, each by the last part of its name, in lower case. */
export class SchemaObjects {
  readonly functions = new Set<string>();
  readonly #definitions = new Map<string, string[]>();

  constructor(rows: readonly SchemaRow[]) {
    for (const row of rows) {
      const name = row.name.toLowerCase();
      if (row.kind === 'function') {
        this.functions.add(name);
        continue;
      }
      const known = this.#definitions.get(name) ?? [];
      this.#definitions.set(name, known);
      // Without the right to see it, a definition is empty.
      if (row.kind !== 'table') known.push(row.definition ?? '');
    }
  }

  /** @returns `undefined` for a database whose catalogue is not known here */
  static async read(dataSource: OrmDataSource): Promise<SchemaObjects | undefined> {
    const { schemaObjects } = dialectOf(dataSource);
    if (schemaObjects === undefined) return undefined;
    const { query } = dataSource as OrmDataSource & { query(sql: string): Promise<SchemaRow[]> };
    return new SchemaObjects(await query.call(dataSource, schemaObjects));
  }

  /** True if a table or view has the name. */
  has(name: string): boolean {
    return this.#definitions.has(name);
  }

  /** What a view or a policy reads, as SQL; empty where it may not be seen. */
  definitionsOf(name: string): readonly string[] {
    return this.#definitions.get(name) ?? [];
  }
}
