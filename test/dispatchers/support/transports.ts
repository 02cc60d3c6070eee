import { ClientProxyFactory, Transport, type ClientOptions } from '@nestjs/microservices';
import { bullMqDispatcher } from '../../../lib/bullmq.js';
import { outboxDispatcher, type Dispatcher } from '../../../lib/index.js';
import { microserviceDispatcher, type EventClient } from '../../../lib/microservices.js';
import { pgBossDispatcher } from '../../../lib/pg-boss.js';

export type TransportName = 'bullmq' | 'pg-boss' | 'outbox' | 'RabbitMQ' | 'NATS';

/** Where jobs go: what the application and its workers are told. */
export interface Line {
  readonly transport: TransportName;
  /** Of the broker. */
  readonly url: string;
  readonly namespace: string;
  /** Of PostgreSQL, where the jobs are in the database of the entities. */
  readonly schema?: string;
}

/** The name of the dispatcher that rules select. */
export const dispatcherOf = ({ transport }: Line): string =>
  transport === 'RabbitMQ' || transport === 'NATS' ? 'microservice' : transport;

export const isMicroservice = (line: Line): boolean => dispatcherOf(line) === 'microservice';

/** Options of Nest's transport, as the page on dispatchers has them, with shorter pauses. */
export function transportOf({ transport, url, namespace }: Line, consumes: boolean): object {
  if (transport === 'NATS')
    return {
      transport: Transport.NATS,
      options: { servers: [url], maxReconnectAttempts: -1, reconnectTimeWait: 50 },
    };
  const options = {
    urls: [url],
    queue: `${namespace}-queue`,
    queueOptions: { durable: true },
    persistent: true,
    ...(consumes ? { noAck: false } : {}),
    socketOptions: { reconnectTimeInSeconds: 0.1 },
  };
  return { transport: Transport.RMQ, options };
}

/** A dispatcher that sends, or one that works the queue. */
export async function createDispatcher(line: Line, work: boolean): Promise<Dispatcher> {
  if (isMicroservice(line)) {
    const client = ClientProxyFactory.create(transportOf(line, false) as ClientOptions) as EventClient;
    return microserviceDispatcher({ client });
  }
  if (line.transport === 'outbox') return outboxDispatcher({ work, createTable: true, pollInterval: 20 });
  if (line.transport === 'pg-boss') {
    const { default: PgBoss } = await import('pg-boss');
    const boss = new PgBoss({
      connectionString: line.url,
      schema: `${line.schema}_boss`,
      // How often it looks for jobs of dead workers.
      maintenanceIntervalSeconds: 1,
    });
    return pgBossDispatcher({ boss, work });
  }
  const retryStrategy = (): number => 50;
  return bullMqDispatcher({
    connection: { url: line.url, maxRetriesPerRequest: null, retryStrategy },
    work,
    // The job of a dead worker is given to another one after this; BullMQ's defaults are 30 s.
    workerOptions: { lockDuration: 2_000, stalledInterval: 500 },
  });
}
