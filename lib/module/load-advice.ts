import type { Call } from '../cache/engine/call.js';
import type { UncoveredLoad } from '../cache/cache-report.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { ItemTarget } from '../cache/item-target.js';
import { MethodTarget } from '../cache/method-target.js';

/** Facts about the tables of the DataSources. */
export interface TableCoverage {
  uncovered(methods: ReadonlySet<string>, tables: ReadonlySet<string>): readonly string[];
  /** Name of the entity class of a table. */
  entityOf(table: string): string | undefined;
}

/**
 * Compares the tables that the loads of each method have read with its rules: a change of a table that no rule covers drops nothing. Tables
 * of cached calls inside a load are those of their own methods, whose rules reach the outer entry too.
 */
export class LoadAdvice {
  readonly #tables = new Map<MethodTarget, Set<string>>();

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly coverage: TableCoverage,
  ) {
    runtime.engine.writer.onTablesRead = this.#note;
    runtime.uncoveredLoads = () => this.uncovered();
  }

  readonly #note = ({ target }: Call, tables: ReadonlySet<string>): void => {
    const method = target instanceof ItemTarget ? target.method : target;
    // With invalidatesOn: 'auto' no rule is needed.
    if (!(method instanceof MethodTarget) || method.isAuto) return;
    let known = this.#tables.get(method);
    if (known === undefined) this.#tables.set(method, (known = new Set()));
    const before = known.size;
    for (const table of tables) known.add(table);
    if (known.size === before || !hasRules(method)) return;
    for (const { line } of this.#of(method, known)) this.runtime.log.warn(line, line);
  };

  /** Every table that a load has read and none of the rules of its method covers. */
  uncovered(): readonly UncoveredLoad[] {
    return [...this.#tables].flatMap(([target, tables]) => this.#of(target, tables));
  }

  /** Lines about methods with rules: one without any may mean to live by its lifetime alone. */
  lines(): readonly string[] {
    return [...this.#tables].flatMap(([target, tables]) =>
      hasRules(target) ? this.#of(target, tables).map(({ line }) => line) : [],
    );
  }

  #of(target: MethodTarget, tables: ReadonlySet<string>): readonly UncoveredLoad[] {
    const { name } = target;
    // Its entries are dropped with every table that they were made from.
    if (readsTables(target)) return [];
    return this.coverage.uncovered(new Set([name]), tables).map((table) => {
      const entity = this.coverage.entityOf(table);
      const rule = entity ?? `/* the entity of ${table} */`;
      const line =
        `${name} reads the table '${table}', which none of its rules covers: a change of it leaves stale values. Write ` +
        `invalidatesOn: [${hasRules(target) ? '…, ' : ''}${rule}].`;
      return { method: name, table, entity, line };
    });
  }
}

function hasRules({ definition }: MethodTarget): boolean {
  return definition.rules.length > 0;
}

/** True if the tables that a load reads are tags of its entry. */
function readsTables(target: MethodTarget): boolean {
  return target.isAuto;
}
