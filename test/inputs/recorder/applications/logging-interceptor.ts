import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { type Observable, tap } from 'rxjs';
import type { RecordedApplication } from '../application.interface.js';

/** As applications write it: who asked for what, from where, with which client, and how long it took. */
@Injectable()
class LoggingInterceptor implements NestInterceptor {
  private readonly logger = new Logger('HTTP');

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest();
    const { method, url, ip } = request;
    const agent = request.headers['user-agent'];
    const requestId = request.headers['x-request-id'];
    return next.handle().pipe(
      tap(() => {
        const { statusCode } = context.switchToHttp().getResponse();
        this.logger.log(`${method} ${url} ${statusCode} ${agent} ${ip} ${requestId}`);
      }),
    );
  }
}

export const application: RecordedApplication = {
  providers: [{ provide: APP_INTERCEPTOR, useClass: LoggingInterceptor }],
  express() {},
  fastify() {},
};
