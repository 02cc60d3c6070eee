import { join } from 'node:path';

export const postgres = {
  name: 'postgres',
  variable: 'TEST_POSTGRES_URL',
  example: 'postgres://user:password@127.0.0.1:5432/database',
  binaries: ['postgres', 'initdb'],
  package: 'postgresql',
  async start(machine) {
    // It refuses to run as root.
    machine.become('postgres');
    const data = join(machine.folder, 'data');
    await machine.run('initdb', [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ]);
    const port = await machine.freePort();
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const settings = [
      'fsync=off',
      'full_page_writes=off',
      'max_connections=200',
      'listen_addresses=127.0.0.1',
    ];
    machine.spawn(
      'postgres',
      [
        '-D',
        data,
        '-p',
        String(port),
        '-k',
        machine.folder,
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      // Immediate shutdown: the data folder goes with it.
      { signal: 'SIGQUIT' },
    );
    await machine.ready(() => this.probe(url));
    return url;
  },
  composeUrl: async (addressOf) => `postgres://postgres@${await addressOf(5432)}/postgres`,
  async probe(url) {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('SELECT 1');
    } finally {
      await client.end().catch(() => {});
    }
  },
};
