import { Controller, Get, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  addTransactionalDataSource,
  initializeTransactionalContext,
  StorageDriver,
  Transactional,
} from 'typeorm-transactional';
import type { RecordedApplication } from '../application.interface.js';

// Its default driver, cls-hooked, uses no AsyncLocalStorage: what it keeps is out of sight.
initializeTransactionalContext({ storageDriver: StorageDriver.ASYNC_LOCAL_STORAGE });
const dataSource = addTransactionalDataSource(new DataSource({ type: 'sqljs', entities: [] }));

@Injectable()
class RowsService {
  @Transactional()
  read(): Promise<unknown> {
    return dataSource.manager.query('SELECT 1 AS one');
  }
}

@Controller('rows')
class RowsController {
  constructor(private readonly rows: RowsService) {}

  @Get()
  get(): Promise<unknown> {
    return this.rows.read();
  }
}

const initialize = (): Promise<unknown> =>
  dataSource.isInitialized ? Promise.resolve() : dataSource.initialize();

export const application: RecordedApplication = {
  controllers: [RowsController],
  providers: [RowsService],
  express: initialize,
  fastify: initialize,
  requests: [{ path: '/rows' }],
};
