import { setTimeout as delay } from 'node:timers/promises';
import { CacheUsageError } from '../common/errors.js';
import { InvalidationJobError } from '../invalidation/jobs/job.js';

/** The parts of RmqContext that acknowledging needs. */
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
 * Acknowledges a message of RabbitMQ when its work is done, requeues it after a failure, and rejects it to the dead letter exchange if
 * the message itself is wrong.
 *
 * @param context of the message; `false` if it is not to be acknowledged
 * @param controller as it is written without `ack: true`
 * @throws what the work throws; CacheUsageError for a message of another transport
 */
export async function acknowledged(
  context: unknown,
  work: () => Promise<void>,
  controller: string,
): Promise<void> {
  if (context === false) return work();
  if (!isOfRabbitMq(context)) {
    await work();
    throw new CacheUsageError(
      'INVALIDATION_ACK',
      `ack: true acknowledges messages of RabbitMQ, but this message came by another transport. Its job is done. Write ${controller}.`,
    );
  }
  try {
    await work();
    context.getChannelRef().ack(context.getMessage());
  } catch (error) {
    const again = !(error instanceof InvalidationJobError || error instanceof CacheUsageError);
    if (again) await delay(REQUEUE);
    context.getChannelRef().nack(context.getMessage(), false, again);
    throw error;
  }
}
