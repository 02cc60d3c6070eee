import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { provide, provideAll } from './provide.mjs';
import { neededServers, servers } from './registry.mjs';
import { serverUrl } from './url.js';

describe('the servers of this run', () => {
  const present = Object.keys(servers).filter((name) => process.env[servers[name]!.variable]);

  it.each([...new Set([...neededServers, ...present])])('%s has a URL and answers there', async (name) => {
    const server = servers[name]!;
    await expect(server.probe(process.env[server.variable]!)).resolves.toBeUndefined();
  });

  it('redis keeps what is written', async () => {
    const client = new Redis(serverUrl('redis'));
    try {
      await client.set('servers.spec', 'here', 'PX', 10_000);
      expect(await client.get('servers.spec')).toBe('here');
    } finally {
      client.disconnect();
    }
  });

  it('postgres commits a transaction', async () => {
    const client = new pg.Client({ connectionString: serverUrl('postgres') });
    await client.connect();
    try {
      await client.query('CREATE TEMPORARY TABLE servers_spec (id int)');
      await client.query('BEGIN; INSERT INTO servers_spec VALUES (42); COMMIT');
      expect((await client.query('SELECT id FROM servers_spec')).rows).toEqual([{ id: 42 }]);
    } finally {
      await client.end();
    }
  });

  it('asking for a server that this run has not brought up fails and says where to list it', () => {
    const { variable } = servers.nats!;
    const before = process.env[variable];
    delete process.env[variable];
    try {
      expect(() => serverUrl('nats')).toThrow(/TEST_NATS_URL is not set.*neededServers/s);
    } finally {
      if (before !== undefined) process.env[variable] = before;
    }
  });
});

describe('where a server comes from', () => {
  const redis = servers.redis!;
  let log: string[] = [];

  afterEach(() => {
    log = [];
  });

  /** A machine on which nothing can be had, but for what the test allows. */
  const machine = (allowed: {
    url?: string;
    onMachine?: boolean;
    inPackage?: boolean;
    installRefused?: string;
    docker?: boolean;
  }) => {
    let present = allowed.onMachine ?? false;
    return {
      environment: allowed.url ? { TEST_REDIS_URL: allowed.url } : {},
      findBinaries: (names: string[]) => {
        log.push(`look for ${names.join()}`);
        return present ? { 'redis-server': '/somewhere/redis-server' } : undefined;
      },
      installPackage: async (name: string) => {
        log.push(`install ${name}`);
        present = allowed.inPackage ?? false;
        return allowed.installRefused;
      },
      startPrivate: async () => {
        log.push('start');
        return 'redis://private';
      },
      dockerRefuses: async () => {
        log.push('ask docker');
        return allowed.docker ? undefined : 'no docker engine answers';
      },
      confirm: async (_: unknown, url: string) => {
        if (url.endsWith('dead')) throw new Error('nobody answers');
      },
      startCompose: async () => {
        log.push('compose');
        return 'redis://compose';
      },
    };
  };

  it('a URL from the environment comes before all else', async () => {
    const everything = machine({ url: 'redis://given', onMachine: true, inPackage: true, docker: true });
    expect(await provide(redis, everything)).toBe('redis://given');
    expect(log).toEqual([]);
  });

  it('a binary on the machine comes before installing one', async () => {
    const all = machine({ onMachine: true, inPackage: true, docker: true });
    expect(await provide(redis, all)).toBe('redis://private');
    expect(log).toEqual(['look for redis-server', 'start']);
  });

  it('the Debian package comes before docker', async () => {
    expect(await provide(redis, machine({ inPackage: true, docker: true }))).toBe('redis://private');
    expect(log).toEqual(['look for redis-server', 'install redis-server', 'look for redis-server', 'start']);
  });

  it('docker compose is the last resort', async () => {
    const refusing = machine({ installRefused: 'needs root', docker: true });
    expect(await provide(redis, refusing)).toBe('redis://compose');
    expect(log.at(-1)).toBe('compose');
  });

  it('otherwise it fails, naming the server, what was tried and the three ways to supply it', async () => {
    const failure = await provide(redis, machine({ installRefused: 'needs root' })).catch(
      (error: Error) => error,
    );
    expect((failure as Error).message).toBe(
      [
        "The tests need the server 'redis', and there is none:",
        '  - TEST_REDIS_URL is not set',
        '  - redis-server not found on this machine',
        '  - needs root',
        '  - no docker engine answers',
        'Supply it in one of three ways:',
        '  1. set TEST_REDIS_URL to the URL of a running one, e.g. redis://127.0.0.1:6379',
        '  2. install redis-server (Debian: apt-get install redis-server),',
        '     or run the tests as root on a Debian machine, and they install it',
        "  3. start a docker engine with the 'compose' plugin",
      ].join('\n'),
    );
  });

  it('a server that the tests can do without is left out, and the message says how to supply it', async () => {
    const { environment, leftOut } = await provideAll([], [redis], machine({ installRefused: 'needs root' }));
    expect(environment).toEqual({});
    expect(leftOut).toEqual([expect.stringMatching(/'redis' are left out.*1\. set TEST_REDIS_URL/s)]);
    await expect(provideAll([redis], [], machine({ installRefused: 'needs root' }))).rejects.toThrow();
  });

  it('one whose URL is given is wanted', async () => {
    const given = (url: string) => provideAll([], [redis], machine({ url }));
    expect(await given('redis://given')).toEqual({
      environment: { TEST_REDIS_URL: 'redis://given' },
      leftOut: [],
    });
    await expect(given('redis://dead')).rejects.toThrow('nobody answers');
  });

  it('a package that does not bring the binary is a refusal too', async () => {
    await expect(provide(redis, machine({}))).rejects.toThrow(
      '  - the Debian package redis-server was installed, but lacks a binary\n  - no docker engine answers\n',
    );
  });
});
