import fastifyCookie from '@fastify/cookie';
import cookieParser from 'cookie-parser';
import type { RecordedApplication } from '../application.interface.js';

export const application: RecordedApplication = {
  express: (app) => app.use(cookieParser('secret')),
  fastify: (app) => app.register(fastifyCookie as never, { secret: 'secret' } as never),
};
