import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Inject, type Type } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { CacheUsageError } from '../common/errors.js';
import { InvalidationJobError } from '../invalidation/jobs/job.js';
import { InvalidationWorker } from '../invalidation/jobs/job-runner.js';
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

/** The parts of RmqContext that the controller uses. */
interface RmqContextLike {
  getMessage(): object;
  getChannelRef(): {
    ack(message: object): void;
    nack(message: object, all: boolean, requeue: boolean): void;
  };
}

function isOfRabbitMq(context: unknown): context is RmqContextLike {
  return typeof (context as Partial<RmqContextLike> | undefined)?.getChannelRef === 'function';
}

/** Delay before a failed message is requeued. Milliseconds. */
const REQUEUE = 1_000;

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
      if (!ack) return this.worker.handle(job);
      if (!isOfRabbitMq(context)) {
        await this.worker.handle(job);
        throw new CacheUsageError(
          'INVALIDATION_ACK',
          `invalidationController({ ack: true }) acknowledges messages of RabbitMQ, but this message came by another transport. Its job is done. ` +
            `Write invalidationController({ namespace: '${namespace}' }).`,
        );
      }
      const rmq = context;
      try {
        await this.worker.handle(job);
        rmq.getChannelRef().ack(rmq.getMessage());
      } catch (error) {
        const again = !(error instanceof InvalidationJobError);
        if (again) await delay(REQUEUE);
        rmq.getChannelRef().nack(rmq.getMessage(), false, again);
        throw error;
      }
    }
  }
  return InvalidationController;
}
