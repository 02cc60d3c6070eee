import { tableOf } from '../entities/columns.js';
import { ReplacedMethod } from './replaced-method.js';
import { tablesOf } from '../entities/tables.js';
import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';

/** The parts of a query builder that decide whether its statement runs in a transaction of its own. */
interface ExpressionMap {
  useTransaction: boolean;
  readonly queryType: string;
  readonly mainAlias?: { readonly hasMetadata: boolean; readonly metadata: OrmMetadata };
  clone(): ExpressionMap;
}

interface Builder {
  readonly expressionMap: ExpressionMap;
  relation?(...args: unknown[]): { createQueryBuilder(...args: unknown[]): Builder };
}

interface BuilderSource {
  createQueryBuilder(...args: unknown[]): Builder;
}

/**
 * Runs autocommit statements of query builders (`insert()`, `update(criteria)`, `delete(criteria)`, …) in a transaction of
 * their own where their table has durable rules: the job of an invalidation must be committed with the change. It is
 * TypeORM's own `useTransaction`, asked when the statement runs, since only then its table is known.
 */
export class StatementTransactions {
  readonly #source: OrmDataSource & BuilderSource;
  readonly #replaced: ReplacedMethod<BuilderSource, 'createQueryBuilder'>;
  #closed = false;

  constructor(
    dataSource: OrmDataSource,
    private readonly durableTables: () => ReadonlySet<string>,
  ) {
    const source = (this.#source = dataSource as OrmDataSource & BuilderSource);
    const { createQueryBuilder } = source;
    this.#replaced = new ReplacedMethod<BuilderSource, 'createQueryBuilder'>(
      source,
      'createQueryBuilder',
      (...args) => this.#enlist(createQueryBuilder.apply(source, args)),
    );
  }

  close(): void {
    // Where our wrapper stays, it does nothing from now on.
    this.#closed = true;
    this.#replaced.putBack();
  }

  #enlist(builder: Builder): Builder {
    if (this.#closed || this.durableTables().size === 0) return builder;
    this.#watch(builder.expressionMap);
    const { relation } = builder;
    // The statements of relation().add() and the like come from builders that this one makes.
    if (relation !== undefined) {
      builder.relation = (...args) => {
        const related = relation.apply(builder, args);
        const { createQueryBuilder } = related;
        related.createQueryBuilder = (...of) => this.#enlist(createQueryBuilder.apply(related, of));
        return related;
      };
    }
    return builder;
  }

  #watch(map: ExpressionMap): void {
    let asked = map.useTransaction;
    Object.defineProperty(map, 'useTransaction', {
      configurable: true,
      enumerable: true,
      get: () => asked || this.#isDurable(map),
      set: (value: boolean) => void (asked = value),
    });
    // `insert()`, `update()` and the like go on with a copy.
    const { clone } = map;
    map.clone = () => {
      const copy = clone.call(map);
      copy.useTransaction = asked;
      this.#watch(copy);
      return copy;
    };
  }

  #isDurable({ queryType, mainAlias }: ExpressionMap): boolean {
    if (queryType === 'select' || queryType === 'relation' || mainAlias?.hasMetadata !== true) return false;
    return tablesOf(this.#source).reaches(tableOf(mainAlias.metadata), this.durableTables());
  }
}
