import { APP_GUARD } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import type { RecordedApplication } from '../application.interface.js';

export const application: RecordedApplication = {
  imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1_000 }])],
  providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  express() {},
  fastify() {},
};
