import type { OrmQueryEvent, OrmQueryRunner } from '../typeorm.interface.js';
import type { ChangeEmitter } from './change-emitter.js';

/**
 * Runs statements on drivers of TypeORM 0.3 that do not await `afterQuery`. Most of them also call it from a callback of their
 * client, outside the caller's async context. This waits for the result of the hook in the caller's context.
 */
export class UnawaitedHooks {
  constructor(
    private readonly emitter: ChangeEmitter,
    private readonly afterQuery: (event: OrmQueryEvent) => unknown,
    private readonly isCalledForErrors: boolean,
  ) {}

  async run(runner: OrmQueryRunner, sql: string, query: (sql: string) => Promise<unknown>): Promise<unknown> {
    const { statements, runners } = this.emitter;
    const wasOpen = runners.isOpen(runner);
    try {
      return await query(sql);
    } catch (error) {
      if (!this.isCalledForErrors)
        this.afterQuery({ queryRunner: runner, query: sql, success: false, error });
      throw error;
    } finally {
      if (statements.read(sql).control === undefined && (wasOpen || runners.isOpen(runner)))
        this.emitter.queryInOpenTransaction();
      await runners.of(runner).hookResult(sql);
    }
  }
}
