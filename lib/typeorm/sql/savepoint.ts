import type { OrmDataSource, OrmQueryRunner } from '../typeorm.interface.js';

const ABORTS = /postgres|cockroach/;
const SAVEPOINT = 'restflow';

/** Whether a statement that failed keeps the database from answering anything else until the transaction, or a savepoint, ends. */
export function abortsOnFailure({ options }: OrmDataSource): boolean {
  return ABORTS.test(String((options as { type?: unknown }).type));
}

/**
 * Does work in an open transaction, which goes on as if it had not been tried when it fails.
 * @param isAlone whether nobody else has written through the runner since: going back would undo that
 */
export async function inSavepoint<T>(
  runner: OrmQueryRunner,
  work: () => Promise<T>,
  isAlone: () => boolean = () => true,
): Promise<T> {
  await runner.query(`SAVEPOINT ${SAVEPOINT}`);
  try {
    const answer = await work();
    await runner.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
    return answer;
  } catch (error) {
    if (isAlone()) await runner.query(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`);
    throw error;
  }
}
