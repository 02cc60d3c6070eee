import { Module } from '@nestjs/common';
import { cacheModule } from './cache.js';
import { setup, type WorkerSetup } from './dispatchers.js';

export const workerSetup: WorkerSetup = setup.worker?.() ?? {};

const { dispatchers = [], imports = [], controllers = [] } = workerSetup;

/** The worker process: carries jobs out. It knows no entity and no cached class; only `outbox` has it connect to the database. */
@Module({ imports: [...imports, cacheModule({ dispatchers })], controllers })
export class WorkerModule {}
