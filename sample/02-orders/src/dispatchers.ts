import type { ModuleMetadata } from '@nestjs/common';
import { ClientProxyFactory, Transport, type RmqOptions } from '@nestjs/microservices';
import { TypeOrmModule } from '@nestjs/typeorm';
import { outboxDispatcher, type Dispatcher } from 'nestjs-restflow-cache';
import { bullMqDispatcher } from 'nestjs-restflow-cache/bullmq';
import { invalidationController, microserviceDispatcher } from 'nestjs-restflow-cache/microservices';
import { pgBossDispatcher } from 'nestjs-restflow-cache/pg-boss';
import PgBoss from 'pg-boss';
import { settings } from './settings.js';

const { postgres, redis, rabbitMq, namespace } = settings;

/** How a dispatcher is set up in the web process, and in its worker where it has one. */
interface Setup {
  /** Who drops what rules with `eager: false` leave. */
  readonly carriedOutBy: string;
  /** None for those that every module has. */
  web(): Dispatcher[];
  worker?(): WorkerSetup;
}

/** What a worker has beside the store. */
export interface WorkerSetup extends Pick<ModuleMetadata, 'imports' | 'controllers'> {
  readonly dispatchers?: Dispatcher[];
  /** For a worker that is a microservice. */
  readonly transport?: RmqOptions;
}

/** What the transport of both processes has in common. */
const rabbitMqOptions: RmqOptions['options'] = {
  urls: [rabbitMq],
  queue: `${namespace}-invalidation`,
  queueOptions: { durable: true },
  persistent: true,
};

const setups: Record<string, Setup> = {
  inline: { carriedOutBy: 'this process, while the write waits', web: () => [] },

  background: { carriedOutBy: 'this process, after the write', web: () => [] },

  bullmq: {
    carriedOutBy: 'the worker',
    web: () => [bullMqDispatcher({ connection: { url: redis }, work: false })],
    worker: () => ({ dispatchers: [bullMqDispatcher({ connection: { url: redis } })] }),
  },

  'pg-boss': {
    carriedOutBy: 'the worker',
    web: () => [pgBossDispatcher({ boss: new PgBoss(postgres), work: false })],
    worker: () => ({ dispatchers: [pgBossDispatcher({ boss: new PgBoss(postgres) })] }),
  },

  microservice: {
    carriedOutBy: 'the worker',
    web: () => [
      microserviceDispatcher({
        client: ClientProxyFactory.create({ transport: Transport.RMQ, options: rabbitMqOptions }),
      }),
    ],
    worker: () => ({
      controllers: [invalidationController({ namespace, ack: true })],
      transport: { transport: Transport.RMQ, options: { ...rabbitMqOptions, noAck: false } },
    }),
  },

  outbox: {
    carriedOutBy: 'the worker',
    web: () => [outboxDispatcher({ work: false })],
    worker: () => ({
      dispatchers: [outboxDispatcher()],
      imports: [TypeOrmModule.forRoot({ type: 'postgres', url: postgres })],
    }),
  },
};

/** The one that DISPATCHER names. */
export const setup = chosen();

function chosen(): Setup {
  const found = setups[settings.dispatcher];
  if (found !== undefined) return found;
  throw new Error(`DISPATCHER is '${settings.dispatcher}'; there are: ${Object.keys(setups).join(', ')}.`);
}
