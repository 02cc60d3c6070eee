import { servers } from './registry.mjs';

export type ServerName =
  'postgres' | 'redis' | 'redis-cluster' | 'rabbitmq' | 'nats' | 'mariadb' | 'prometheus' | 'chromium';

/**
 * The URL of a server that the run brought up. Throws where there is none: a spec whose server is missing fails, it is
 * never skipped.
 */
export function serverUrl(name: ServerName): string {
  const server = servers[name]!;
  const url = process.env[server.variable];
  if (!url) {
    throw new Error(
      `${server.variable} is not set. Run the tests through 'npm test', and list '${name}' in neededServers ` +
        'of test/servers/registry.mjs.',
    );
  }
  return url;
}
