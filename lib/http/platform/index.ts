export { ExpressPlatform } from './express.platform.js';
export { FastifyPlatform } from './fastify.platform.js';
