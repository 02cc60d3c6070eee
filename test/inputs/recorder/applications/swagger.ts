import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { RecordedApplication } from '../application.interface.js';

const setup = (app: INestApplication): void =>
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, new DocumentBuilder().build()));

export const application: RecordedApplication = {
  express: setup,
  fastify: setup,
  requests: [{ path: '/docs' }, { path: '/docs-json' }, { path: '/things/9' }],
};
