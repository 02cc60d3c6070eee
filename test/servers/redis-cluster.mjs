import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { redisArguments, redisCommand } from './redis.mjs';

const nodes = 3;
/** Where a node listens for the others, counted from its port. */
const busOffset = 10_000;

export const redisCluster = {
  name: 'redis-cluster',
  variable: 'TEST_REDIS_CLUSTER_URLS',
  example: 'redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003',
  binaries: ['redis-server', 'redis-cli'],
  package: 'redis-server',
  async start(machine) {
    const addresses = [];
    for (let index = 0; index < nodes; index += 1) {
      const port = await machine.freePort([busOffset]);
      const folder = join(machine.folder, String(port));
      mkdirSync(folder);
      machine.spawn('redis-server', [
        ...redisArguments(String(port), folder).flat(),
        ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'],
      ]);
      await machine.ready(() => redisCommand(`redis://127.0.0.1:${port}`, 'PING'));
      addresses.push(`127.0.0.1:${port}`);
    }
    const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'];
    await machine.run('redis-cli', create);
    const urls = addresses.map((address) => `redis://${address}`).join(',');
    await machine.ready(() => this.probe(urls));
    return urls;
  },
  // A cluster tells its clients where its nodes are, so the ports are the same inside and outside the container.
  composeUrl: async () => [17001, 17002, 17003].map((port) => `redis://127.0.0.1:${port}`).join(','),
  async probe(urls) {
    for (const url of urls.split(',')) {
      const state = String(await redisCommand(url, 'CLUSTER', 'INFO'));
      if (!state.includes('cluster_state:ok')) throw new Error(`${url} is not part of a working cluster`);
    }
  },
};
