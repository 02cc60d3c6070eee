import type { JobHandler } from './dispatcher.interface.js';

/**
 * Carries out jobs that reached this process by a way of your own: a consumer of Kafka or SQS, a cron, a function. It
 * needs no cached class here, only the application's store and namespace.
 *
 * @example
 * constructor(private readonly worker: InvalidationWorker) {}
 * await this.worker.handle(JSON.parse(message.body));
 *
 * @publicApi
 */
export class InvalidationWorker {
  readonly #handle: JobHandler;

  constructor(handle: JobHandler) {
    this.#handle = handle;
  }

  /**
   * Invalidates what a job names. Twice, or out of order, does no harm.
   *
   * @param job an `InvalidationJob`, as it was delivered
   * @throws InvalidationJobError for what is no job of this namespace: trying again is no use
   * @throws what the store threw: try again later
   */
  async handle(job: unknown): Promise<void> {
    await this.#handle(job);
  }
}
