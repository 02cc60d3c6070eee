import type { INestApplicationContext, INestMicroservice, LoggerService, Type } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { RestflowCacheModule, type CacheStore } from '../../../lib/index.js';
import { invalidationController } from '../../../lib/microservices.js';
import { createDispatcher, isMicroservice, transportOf, type Line } from '../support/transports.js';

export interface WorkerSettings {
  readonly store: CacheStore;
  readonly dataSources: readonly object[];
  readonly logger: LoggerService;
}

/** Starts a worker of a line; it knows no cached class. `prepare` is called before it takes a job. */
export async function startWorker(
  line: Line,
  { store, dataSources, logger }: WorkerSettings,
  prepare: (app: INestApplicationContext) => void = () => undefined,
): Promise<{ close(): Promise<unknown> }> {
  const { namespace } = line;
  const micro = isMicroservice(line);
  const controllers: Type[] = micro
    ? [invalidationController({ namespace, ack: line.transport === 'RabbitMQ' })]
    : [];
  const cache = RestflowCacheModule.forRoot({
    namespace,
    store,
    dataSources: dataSources as never,
    dispatchers: micro ? [] : [await createDispatcher(line, true)],
  });
  const module = await Test.createTestingModule({ imports: [cache], controllers })
    .setLogger(logger)
    .compile();
  prepare(module);
  if (!micro) return module.init();
  const options = transportOf(line, true) as MicroserviceOptions;
  const worker: INestMicroservice = module.createNestMicroservice(options);
  await worker.listen();
  return worker;
}
