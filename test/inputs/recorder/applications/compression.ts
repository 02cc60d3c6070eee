import fastifyCompress from '@fastify/compress';
import compression from 'compression';
import type { RecordedApplication } from '../application.interface.js';

export const application: RecordedApplication = {
  express: (app) => app.use(compression()),
  fastify: (app) => app.register(fastifyCompress as never),
};
