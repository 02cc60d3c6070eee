import type { INestApplication } from '@nestjs/common';
import type { RecordedApplication } from '../application.interface.js';

const enable = (app: INestApplication): void =>
  app.enableCors({ origin: [/\.example\.com$/], credentials: true });

export const application: RecordedApplication = { express: enable, fastify: enable };
