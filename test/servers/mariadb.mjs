import { join } from 'node:path';

export const mariadb = {
  name: 'mariadb',
  variable: 'TEST_MARIADB_URL',
  example: 'mariadb://root@127.0.0.1:3306/test',
  binaries: ['mariadbd', 'mariadb-install-db', 'my_print_defaults'],
  package: 'mariadb-server-core mariadb-client-core',
  async start(machine) {
    // It refuses to run as root.
    machine.become('mysql');
    const data = join(machine.folder, 'data');
    await machine.run('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-name-resolve',
      '--skip-test-db',
    ]);
    const port = await machine.freePort();
    const server = `mariadb://root@127.0.0.1:${port}`;
    machine.spawn(
      'mariadbd',
      [
        '--no-defaults',
        `--datadir=${data}`,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        `--socket=${join(machine.folder, 'socket')}`,
        '--skip-name-resolve',
        '--skip-log-bin',
        '--max-connections=200',
        '--innodb-flush-log-at-trx-commit=0',
        '--innodb-doublewrite=0',
        // Not known to every version.
        '--loose-innodb-flush-method=nosync',
        '--loose-debug-no-sync',
      ],
      // The data folder goes with it.
      { signal: 'SIGKILL' },
    );
    await machine.ready(() => command(server, 'CREATE DATABASE IF NOT EXISTS restflow'));
    return `${server}/restflow`;
  },
  composeUrl: async (addressOf) => `mariadb://root@${await addressOf(3306)}/restflow`,
  probe: (url) => command(url, 'SELECT 1'),
};

async function command(url, sql) {
  const { createConnection } = await import('mysql2/promise');
  const uri = url.replace(/^mariadb:/, 'mysql:');
  const connection = await createConnection({ uri, connectTimeout: 2000 });
  try {
    await connection.query(sql);
  } finally {
    connection.destroy();
  }
}
