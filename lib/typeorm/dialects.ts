import type { ChangeEmitter } from './collect/change-emitter.js';
import type { OrmDataSource, OrmQueryEvent, OrmQueryRunner } from './typeorm.interface.js';

const DRIVERS = /^(?:mysql|mariadb|sqlite|better-sqlite3|react-native)$/;
/** Of these drivers, the one that calls no hook of a query that fails. */
const SILENT = 'better-sqlite3';

const typeOf = ({ options }: OrmDataSource): string => String((options as { type?: unknown }).type);

/** Whether nobody waits for what the hook of a query answers: so TypeORM 0.3 has it, on these drivers. */
export function hasUnawaitedHooks(dataSource: OrmDataSource): boolean {
  return DRIVERS.test(typeOf(dataSource)) && !('dataSource' in dataSource.driver);
}

/**
 * Runs queries whose hook nobody waits for. Most of these drivers also call it from a callback of their client, which is not
 * the context of who asked. Both are made up for around the query.
 */
export class UnawaitedHooks {
  readonly #tellsFailures: boolean;

  constructor(
    dataSource: OrmDataSource,
    private readonly emitter: ChangeEmitter,
    private readonly hook: (event: OrmQueryEvent) => unknown,
  ) {
    this.#tellsFailures = typeOf(dataSource) !== SILENT;
  }

  async run(runner: OrmQueryRunner, sql: string, query: (sql: string) => Promise<unknown>): Promise<unknown> {
    const { statements, outlet, runners } = this.emitter;
    const wasOpen = runners.isOpen(runner);
    try {
      return await query(sql);
    } catch (error) {
      if (!this.#tellsFailures) this.hook({ queryRunner: runner, query: sql, success: false, error });
      throw error;
    } finally {
      if (statements.read(sql).control === undefined && (wasOpen || runners.isOpen(runner)))
        outlet.queryInOpenTransaction();
      await runners.of(runner).hookResult(sql);
    }
  }
}
