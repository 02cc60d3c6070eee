import fastifyHelmet from '@fastify/helmet';
import helmet from 'helmet';
import type { RecordedApplication } from '../application.interface.js';

/** With a nonce for each response, as a page with inline scripts needs. */
export const application: RecordedApplication = {
  express: (app) =>
    app.use((request: never, response: { locals: Record<string, string> }, next: () => void) => {
      response.locals['cspNonce'] = 'nonce';
      helmet({
        contentSecurityPolicy: {
          directives: { scriptSrc: [(_: unknown, { locals }: any) => `'nonce-${locals.cspNonce}'`] },
        },
      })(request, response as never, next);
    }),
  fastify: (app) => app.register(fastifyHelmet as never, { enableCSPNonces: true } as never),
};
