import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { redisCommand } from '../../servers/redis.mjs';
import { adopt, freePort, RedisProcess, redisServer } from '../../fleet/support/redis-process.js';
import { until } from '../../support/until.js';

export const MASTER_NAME = 'mymaster';

/** A master, its replica, and three Sentinels that watch them. */
export class SentinelSetup {
  private constructor(
    readonly servers: readonly RedisProcess[],
    readonly sentinels: readonly { readonly host: string; readonly port: number }[],
    private readonly end: () => void,
  ) {}

  static async start(): Promise<SentinelSetup> {
    const master = await RedisProcess.start();
    const replica = await RedisProcess.start('--replicaof', '127.0.0.1', String(master.port));
    const folder = mkdtempSync(join(tmpdir(), 'restflow-sentinels-'));
    const ports = await Promise.all([freePort(), freePort(), freePort()]);
    const children = await Promise.all(
      ports.map(async (port) => {
        const own = join(folder, String(port));
        mkdirSync(own);
        const file = join(own, 'sentinel.conf');
        writeFileSync(
          file,
          [
            `port ${port}`,
            'bind 127.0.0.1',
            `dir ${own}`,
            `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 2`,
            `sentinel down-after-milliseconds ${MASTER_NAME} 2000`,
            `sentinel failover-timeout ${MASTER_NAME} 4000`,
          ].join('\n'),
        );
        const child = spawn(await redisServer(), [file, '--sentinel'], { stdio: 'ignore' });
        adopt(child);
        return child;
      }),
    );
    const setup = new SentinelSetup(
      [master, replica],
      ports.map((port) => ({ host: '127.0.0.1', port })),
      () => {
        for (const child of children) child.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      },
    );
    await until(() => setup.#isComplete(), 'three Sentinels that know each other and the replica');
    return setup;
  }

  /** Has the Sentinels promote the replica, and waits until they agree on it. */
  async failover(): Promise<void> {
    const before = await this.#master();
    await until(
      () =>
        this.#ask(0, 'FAILOVER', MASTER_NAME).then(
          () => true,
          () => false,
        ),
      'a failover',
    );
    await until(async () => (await this.#master()) !== before, 'another master');
  }

  async stop(): Promise<void> {
    this.end();
    for (const server of this.servers) await server.stop();
  }

  async #master(): Promise<string> {
    return String(await this.#ask(1, 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME).catch(() => ''));
  }

  async #isComplete(): Promise<boolean> {
    const states = this.sentinels.map(async (_, at) => {
      const fields = (await this.#ask(at, 'MASTER', MASTER_NAME)) as string[];
      const field = (name: string): string => fields[fields.indexOf(name) + 1]!;
      return field('num-slaves') === '1' && field('num-other-sentinels') === '2';
    });
    return (await Promise.all(states).catch(() => [false])).every(Boolean);
  }

  #ask(at: number, ...words: string[]): Promise<unknown> {
    const { port } = this.sentinels[at]!;
    return redisCommand(`redis://127.0.0.1:${port}`, 'SENTINEL', ...words) as Promise<unknown>;
  }
}
