import type { RecordedApplication } from '../application.interface.js';

/** Nest on its platform, and nothing else: all other tables leave out what stands in this one. */
export const application: RecordedApplication = {
  express() {},
  fastify() {},
};
