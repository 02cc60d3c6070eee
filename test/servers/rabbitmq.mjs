import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { greet } from './probes.mjs';

/** The protocol header of AMQP 0-9-1; a broker answers it with a method frame (type 1). */
const hello = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);
const methodFrame = 1;

export const rabbitmq = {
  name: 'rabbitmq',
  variable: 'TEST_RABBITMQ_URL',
  example: 'amqp://guest:guest@127.0.0.1:5672',
  binaries: ['rabbitmq-server', 'epmd'],
  package: 'rabbitmq-server',
  async start(machine) {
    const [port, distribution, names] = [
      await machine.freePort(),
      await machine.freePort(),
      await machine.freePort(),
    ];
    const url = `amqp://guest:guest@127.0.0.1:${port}`;
    const inFolder = (name) => join(machine.folder, name);
    writeFileSync(inFolder('rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${port}\n`);
    writeFileSync(inFolder('plugins'), '[].\n');
    const env = {
      HOME: machine.folder,
      ERL_EPMD_PORT: String(names),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `restflow-${port}@localhost`,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: inFolder('mnesia'),
      RABBITMQ_LOG_BASE: inFolder('log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: inFolder('plugins'),
      RABBITMQ_CONFIG_FILE: inFolder('rabbitmq.conf'),
      RABBITMQ_PID_FILE: inFolder('pid'),
    };
    // The broker would start Erlang's name server itself, as a daemon that outlives it; so it finds ours running.
    machine.spawn('epmd', ['-address', '127.0.0.1', '-port', String(names)], { env });
    machine.spawn('rabbitmq-server', [], { env, signal: 'SIGKILL' });
    await machine.ready(() => this.probe(url), 90);
    return url;
  },
  composeUrl: async (addressOf) => `amqp://guest:guest@${await addressOf(5672)}`,
  async probe(url) {
    const answer = await greet(url, 5672, hello);
    if (answer[0] !== methodFrame) throw new Error('the answer is not that of an AMQP 0-9-1 broker');
  },
};
