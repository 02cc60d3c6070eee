import { chromium } from './chromium.mjs';
import { mariadb } from './mariadb.mjs';
import { nats } from './nats.mjs';
import { prometheus } from './prometheus.mjs';
import { postgres } from './postgres.mjs';
import { rabbitmq } from './rabbitmq.mjs';
import { redisCluster } from './redis-cluster.mjs';
import { redis } from './redis.mjs';

/**
 * A server that tests can ask for.
 * @typedef {object} ServerKind
 * @property {string} name what it is called in `--servers=` and in compose.yml
 * @property {string} variable the environment variable that holds its URL
 * @property {string} example such a URL
 * @property {string[]} binaries what must be on the machine to run a private instance
 * @property {string} package the Debian package that brings them, or several with spaces between them
 * @property {(machine: object) => Promise<string>} start runs a private instance, answers its URL
 * @property {(addressOf: (port: number) => Promise<string>) => Promise<string>} composeUrl URL of the compose service
 * @property {(url: string) => Promise<void>} probe throws unless the server answers
 */

/** @type {Record<string, ServerKind>} */
export const servers = Object.fromEntries(
  [postgres, redis, redisCluster, rabbitmq, nats, mariadb, prometheus, chromium].map((server) => [
    server.name,
    server,
  ]),
);

/** The servers that `npm test` brings up: everything that some spec needs. */
export const neededServers = ['postgres', 'redis', 'redis-cluster', 'rabbitmq', 'nats'];

/** Those that it brings up where they can be had: elsewhere their cases are left out, and the run says so. */
export const optionalServers = ['mariadb', 'prometheus', 'chromium'];
