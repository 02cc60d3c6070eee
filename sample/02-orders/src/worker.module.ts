import { Module } from '@nestjs/common';
import { cacheModule } from './cache.js';

/** The worker process: works the queue. It knows no entity, no cached class and no database. */
@Module({ imports: [cacheModule({ work: true })] })
export class WorkerModule {}
