import { Writable } from 'node:stream';
import type { INestApplication } from '@nestjs/common';
import { Controller, Get, RequestMethod } from '@nestjs/common';
import { Logger, LoggerModule, PinoLogger } from 'nestjs-pino';
import type { RecordedApplication } from '../application.interface.js';

@Controller('logged')
class LoggedController {
  constructor(private readonly logger: PinoLogger) {}

  @Get()
  get(): object {
    this.logger.info('in the load');
    return {};
  }
}

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
const use = (app: INestApplication): void => app.useLogger(app.get(Logger));

export const application: RecordedApplication = {
  // Its default route, '{/*splat}', matches nothing on Fastify with @fastify/middie 9.3.6.
  imports: [
    LoggerModule.forRoot({
      pinoHttp: [{ level: 'info' }, nowhere as never],
      forRoutes: [{ path: '*path', method: RequestMethod.ALL }],
    }),
  ],
  controllers: [LoggedController],
  express: use,
  fastify: use,
  requests: [{ path: '/logged' }],
};
