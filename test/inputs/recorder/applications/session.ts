import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import session from 'express-session';
import type { RecordedApplication } from '../application.interface.js';

const secret = 'a secret of more than thirty-two characters';

/** Sessions that are saved for each visitor, so that later requests bring the cookie of one. */
export const application: RecordedApplication = {
  express: (app) =>
    app.use(session({ secret, resave: false, saveUninitialized: true, cookie: { secure: 'auto' } })),
  fastify: async (app) => {
    await app.register(fastifyCookie as never);
    await app.register(
      fastifySession as never,
      { secret, saveUninitialized: true, cookie: { secure: 'auto' } } as never,
    );
  },
};
