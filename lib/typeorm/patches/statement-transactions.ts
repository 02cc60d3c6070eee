import { tableOf } from '../entities/columns.js';
import { type KnownTables, knownTablesOf } from '../entities/tables.js';
import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';
import { isReplaceable, ReplacedMethod, type ReportUnsupported } from './replaced-method.js';

/** The part of a query builder that decides whether its statement runs in a transaction of its own. */
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

const EFFECT =
  'bulk statements such as update(criteria) run outside of a transaction, so that a durable dispatcher (outbox, pg-boss) receives its ' +
  'job after the commit, and a crash in between loses it';

/**
 * Runs statements of query builders (`insert()`, `update(criteria)`, `delete(criteria)`, …) in a transaction of their own where
 * their table has durable rules: the job of an invalidation must be committed with the change.
 *
 * Relies on TypeORM: builders come from `DataSource.createQueryBuilder()`, read `expressionMap.useTransaction` when they execute,
 * and go on with a copy of the map that `expressionMap.clone()` makes. It is answered at that moment, since the table is not known
 * before. Checked on a builder without a table when the patch is made, and on each builder.
 */
export class StatementTransactions {
  readonly #createQueryBuilder: ReplacedMethod<BuilderSource, 'createQueryBuilder'> | undefined;
  readonly #report: ReportUnsupported | undefined;
  #isClosed = false;

  constructor(
    dataSource: OrmDataSource,
    /** Returns `undefined` for all tables. */
    private readonly durableTables: () => ReadonlySet<string> | undefined,
    report?: ReportUnsupported,
    private readonly tables: () => KnownTables = () => knownTablesOf(dataSource),
  ) {
    const source = dataSource as OrmDataSource & BuilderSource;
    this.#report = report;
    if (!isReplaceable(source, 'createQueryBuilder') || !isSupported(builderOf(source))) {
      report?.('createQueryBuilder() of the DataSource', EFFECT);
      return;
    }
    const { createQueryBuilder } = source;
    this.#createQueryBuilder = new ReplacedMethod<BuilderSource, 'createQueryBuilder'>(
      source,
      'createQueryBuilder',
      (...args) => this.#enlist(createQueryBuilder.apply(source, args)),
    );
  }

  close(): void {
    // A wrapper that cannot be taken back does nothing from now on.
    this.#isClosed = true;
    this.#createQueryBuilder?.putBack();
  }

  #enlist(builder: Builder): Builder {
    if (this.#isClosed || this.durableTables()?.size === 0) return builder;
    if (!isSupported(builder)) {
      this.#report?.('expressionMap of a query builder', EFFECT);
      return builder;
    }
    this.#watch(builder.expressionMap);
    const { relation } = builder;
    // The statements of relation().add() and the like come from builders that this builder makes.
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
    let isAsked = map.useTransaction;
    Object.defineProperty(map, 'useTransaction', {
      configurable: true,
      enumerable: true,
      get: () => isAsked || this.#isDurable(map),
      set: (value: boolean) => void (isAsked = value),
    });
    const { clone } = map;
    map.clone = () => {
      const copy = clone.call(map);
      copy.useTransaction = isAsked;
      this.#watch(copy);
      return copy;
    };
  }

  #isDurable({ queryType, mainAlias }: ExpressionMap): boolean {
    if (queryType === 'select' || queryType === 'relation' || mainAlias?.hasMetadata !== true) return false;
    const durable = this.durableTables();
    return durable === undefined || this.tables().reaches(tableOf(mainAlias.metadata), durable);
  }
}

function builderOf(source: BuilderSource): Builder | undefined {
  try {
    return source.createQueryBuilder();
  } catch {
    return undefined;
  }
}

function isSupported(builder: Partial<Builder> | undefined): boolean {
  const map = builder?.expressionMap as Partial<ExpressionMap> | undefined;
  return (
    typeof map?.useTransaction === 'boolean' &&
    typeof map.queryType === 'string' &&
    typeof map.clone === 'function'
  );
}
