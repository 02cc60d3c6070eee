import { Controller, Get } from '@nestjs/common';
import { ClsModule, ClsService } from 'nestjs-cls';
import type { RecordedApplication } from '../application.interface.js';

@Controller('context')
class ContextController {
  constructor(private readonly cls: ClsService) {}

  @Get()
  get(): object {
    return { tenant: this.cls.get('tenant') as string };
  }
}

export const application: RecordedApplication = {
  imports: [
    ClsModule.forRoot({
      middleware: {
        mount: true,
        generateId: true,
        setup: (cls, request) => cls.set('tenant', request.headers['x-tenant']),
      },
    }),
  ],
  controllers: [ContextController],
  express() {},
  fastify() {},
  requests: [{ path: '/context', headers: { 'x-tenant': 'acme' } }],
};
