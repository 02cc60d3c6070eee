import { greet } from './probes.mjs';

export const nats = {
  name: 'nats',
  variable: 'TEST_NATS_URL',
  example: 'nats://127.0.0.1:4222',
  binaries: ['nats-server'],
  package: 'nats-server',
  async start(machine) {
    const port = await machine.freePort();
    const url = `nats://127.0.0.1:${port}`;
    machine.spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)]);
    await machine.ready(() => this.probe(url));
    return url;
  },
  composeUrl: async (addressOf) => `nats://${await addressOf(4222)}`,
  async probe(url) {
    const greeting = String(await greet(url, 4222));
    if (!greeting.startsWith('INFO ')) throw new Error('the greeting is not that of a NATS server');
  },
};
