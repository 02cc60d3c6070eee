import { Controller, Inject, type Type } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { InvalidationWorker } from '../invalidation/jobs/job-runner.js';
import { acknowledged } from './acknowledged.js';
import { patternOf } from './microservice.dispatcher.js';

/**
 * Options of {@link invalidationController}.
 *
 * @publicApi
 */
export interface InvalidationControllerOptions {
  /** The namespace of the module. Default `'restflow'`. */
  namespace?: string | undefined;
  /** The event pattern of the dispatcher. Default: the namespace and `.invalidation`. */
  pattern?: string | undefined;
  /**
   * For RabbitMQ with `noAck: false`: acknowledges a message when its job is done, requeues it one second after its store failed, and
   * rejects it to the queue's dead letter exchange if the job is invalid. Default `false`.
   */
  ack?: boolean | undefined;
}

/**
 * Makes a controller that runs the jobs that `microserviceDispatcher` emits, for a microservice that imports RestflowCacheModule
 * with the application's store and namespace.
 *
 * @example
 * @Module({
 *   imports: [RestflowCacheModule.forRoot({ store, namespace: 'shop' })],
 *   controllers: [invalidationController({ namespace: 'shop', ack: true })],
 * })
 * class WorkerModule {}
 *
 * @publicApi
 */
export function invalidationController(options: InvalidationControllerOptions = {}): Type {
  const { namespace = 'restflow', pattern = patternOf(namespace), ack = false } = options;

  @Controller()
  class InvalidationController {
    constructor(@Inject(InvalidationWorker) private readonly worker: InvalidationWorker) {}

    @EventPattern(pattern)
    async carryOut(@Payload() job: unknown, @Ctx() context: unknown): Promise<void> {
      await acknowledged(
        ack && context,
        () => this.worker.handle(job),
        `invalidationController({ namespace: '${namespace}' })`,
      );
    }
  }
  return InvalidationController;
}
