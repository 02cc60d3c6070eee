import { Controller, Get } from '@nestjs/common';
import { trace } from '@opentelemetry/api';
import type { RecordedApplication } from '../application.interface.js';
import { fastifyInstrumentation } from './opentelemetry-sdk.js';

@Controller('traced')
class TracedController {
  @Get()
  get(): object {
    trace.getActiveSpan()?.setAttribute('thing', 1);
    return trace.getTracer('things').startActiveSpan('inner', (span) => {
      span.end();
      return {};
    });
  }
}

export const application: RecordedApplication = {
  controllers: [TracedController],
  express() {},
  fastify: (app) => app.register(fastifyInstrumentation.plugin() as never),
  requests: [{ path: '/traced' }],
};
