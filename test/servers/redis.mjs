/** Arguments of a server that keeps nothing on disk and listens on loopback only. */
export const redisArguments = (port, folder) => [
  ['--port', port],
  ['--bind', '127.0.0.1'],
  ['--dir', folder],
  ['--save', ''],
  ['--appendonly', 'no'],
  ['--daemonize', 'no'],
];

/** Runs one command on a Redis and answers its reply. */
export async function redisCommand(url, command, ...args) {
  const { Redis } = await import('ioredis');
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null, connectTimeout: 2000 });
  // The failure is the rejection below; without a listener ioredis prints it as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}

export const redis = {
  name: 'redis',
  variable: 'TEST_REDIS_URL',
  example: 'redis://127.0.0.1:6379',
  binaries: ['redis-server'],
  package: 'redis-server',
  async start(machine) {
    const port = await machine.freePort();
    const url = `redis://127.0.0.1:${port}`;
    machine.spawn('redis-server', redisArguments(String(port), machine.folder).flat());
    await machine.ready(() => this.probe(url));
    return url;
  },
  composeUrl: async (addressOf) => `redis://${await addressOf(6379)}`,
  async probe(url) {
    await redisCommand(url, 'PING');
  },
};
