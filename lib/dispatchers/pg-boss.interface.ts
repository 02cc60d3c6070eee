/** Where pg-boss runs its SQL instead of its own pool. */
export interface PgBossDatabase {
  executeSql(sql: string, values?: unknown[]): Promise<{ rows: unknown[]; rowCount?: number }>;
}

/**
 * The parts of pg-boss that the dispatcher uses, alike in its versions 10 to 12; pg-boss itself is not imported.
 *
 * @publicApi
 */
export interface PgBossLike {
  on(event: 'error', listener: (error: Error) => void): unknown;
  start(): Promise<unknown>;
  stop(options?: { graceful?: boolean; wait?: boolean; timeout?: number }): Promise<unknown>;
  createQueue(name: string, options?: { name: string; deadLetter?: string }): Promise<unknown>;
  send(
    name: string,
    data: object,
    options?: {
      id?: string;
      retryLimit?: number;
      retryDelay?: number;
      retryBackoff?: boolean;
      deadLetter?: string;
      expireInSeconds?: number;
      // pg-boss types rows and values with `any`; what it is given is a PgBossDatabase.
      db?: { executeSql(sql: string, values?: never[]): Promise<{ rows: never[] }> };
    },
  ): Promise<string | null>;
  fail(name: string, id: string, data?: object): Promise<unknown>;
  work(
    name: string,
    options: { batchSize?: number; pollingIntervalSeconds?: number },
    handler: (jobs: { id: string; data: unknown }[]) => Promise<unknown>,
  ): Promise<string>;
}
