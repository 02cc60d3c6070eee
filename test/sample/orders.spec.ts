import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { inRoot } from '../../scripts/root.mjs';
import { serverUrl } from '../servers/url.js';

// The command builds the library and the sample, where they are not built yet.

const ORDER = '/orders/1';
const LIST = '/customers/1/orders';
const STATEMENT = '/customers/1/statement';

/** `npm run sample:02`, as a process group of its own, as a terminal has it. */
class Sample {
  #output = '';
  readonly #child: ChildProcess;

  constructor(environment: NodeJS.ProcessEnv) {
    const { NODE_OPTIONS: _, ...inherited } = process.env;
    this.#child = spawn(process.execPath, [inRoot('scripts', 'start.mjs'), '02-orders'], {
      cwd: inRoot(),
      env: { ...inherited, PORT: '0', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk) => (this.#output += chunk));
  }

  /** Waits until it printed this for the nth time (-1: the last so far), and answers what the pattern captured then. */
  async printed(pattern: RegExp, nth = 0): Promise<string> {
    const find = (): string | undefined => [...this.#output.matchAll(new RegExp(pattern, 'g'))].at(nth)?.[1];
    await until(
      async () => find() !== undefined || this.#child.exitCode !== null,
      `${pattern}`,
      this.#report,
    );
    if (find() === undefined) throw new Error(`It ended without ${pattern}:\n${this.#output}`);
    return find()!;
  }

  web = (): Promise<string> => this.printed(/shop listens on (\S+)/);
  webProcess = async (): Promise<number> =>
    Number(await this.printed(/shop listens on \S+ \(process (\d+)\)/));
  worker = async (nth = 0): Promise<number> => Number(await this.printed(/queued \(process (\d+)\)/, nth));

  pressEnter(): void {
    this.#child.stdin!.write('\n');
  }

  /** Ctrl-C; answers the exit code. */
  async interrupt(): Promise<number | null> {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    process.kill(-this.#child.pid!, 'SIGINT');
    await exited;
    return this.#child.exitCode;
  }

  readonly #report = (): string => this.#output;
}

async function until(
  holds: () => Promise<boolean>,
  what: string,
  report: () => string = () => '',
): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`It did not come: ${what}\n${report()}`);
    await delay(30);
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const canConnect = ({ hostname, port }: URL): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

let sample: Sample;
let url: string;

async function request(path: string, init: RequestInit = {}) {
  const response = await fetch(url + path, init);
  const body: any = await response.json();
  return { code: response.status, cache: response.headers.get('x-cache-status'), body };
}

const write = (method: string, path: string, body: unknown) =>
  request(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const addLine = (): ReturnType<typeof write> =>
  write('POST', `${ORDER}/lines`, { product: 'tea', quantity: 2, price: 450 });
/** What a line of it adds to a total. */
const LINE = 900;

/** Reads until the answer comes from the cache, so that what follows says whether it still does. */
async function cached(path: string): Promise<any> {
  let answer = await request(path);
  await until(async () => (answer = await request(path)).cache === 'HIT', `a hit of ${path}`);
  expect(answer.code).toBe(200);
  return answer.body;
}

describe('the sample 02-orders', () => {
  const namespace = `sample-02-${process.pid}-${Date.now()}`;
  let queue: Queue;

  const noJobs = async (): Promise<boolean> => (await queue.count()) + (await queue.getActiveCount()) === 0;

  beforeAll(async () => {
    queue = new Queue(`${namespace}-invalidation`, { connection: { url: serverUrl('redis') } });
    // It is told of a Redis, and brings up a PostgreSQL of its own.
    sample = new Sample({
      NAMESPACE: namespace,
      REDIS_URL: serverUrl('redis'),
      POSTGRES_URL: '',
      TEST_POSTGRES_URL: '',
    });
    url = await sample.web();
    await sample.worker();
  });
  afterAll(async () => {
    await sample.interrupt();
    await queue.obliterate({ force: true });
    await queue.close();
  });

  it('is fresh as its rules say, with the worker, without it, and when it is back', async () => {
    // An order and the list of its customer are fresh at once; other customers' stay.
    const other = await cached('/customers/2/orders');
    const before = await cached(ORDER);
    const list = await cached(LIST);
    const statement = await cached(STATEMENT);
    expect((await addLine()).code).toBe(201);
    expect(await request(ORDER)).toMatchObject({ cache: 'MISS', body: { total: before.total + LINE } });
    expect((await request(LIST)).body[0]).toEqual({ ...list[0], total: list[0].total + LINE });
    expect(await request('/customers/2/orders')).toEqual({ code: 200, cache: 'HIT', body: other });

    // The statement is fresh when the worker has run.
    const total = async (): Promise<number> => (await request(STATEMENT)).body.total;
    await until(async () => (await total()) === statement.total + LINE, 'the worker');

    // A dead worker costs the statement alone: its job waits.
    await until(noJobs, 'an empty queue');
    for (const path of [ORDER, LIST, STATEMENT]) await cached(path);
    process.kill(await sample.worker(), 'SIGKILL');
    await sample.printed(/(The process 'worker' was killed)/);
    await addLine();
    const created = await write('POST', LIST, { lines: [{ product: 'tea', quantity: 1, price: 100 }] });
    expect(created).toMatchObject({ code: 201, body: { total: 100, customer: 'Ada' } });
    expect((await request(ORDER)).body.total).toBe(before.total + 2 * LINE);
    expect((await request(LIST)).body).toHaveLength(list.length + 1);
    expect((await request(LIST)).body[0].total).toBe(list[0].total + 2 * LINE);
    expect(await request(STATEMENT)).toMatchObject({ cache: 'HIT', body: { total: statement.total + LINE } });
    expect(await queue.count()).toBeGreaterThan(0);

    // A new worker carries it out.
    sample.pressEnter();
    await sample.worker(1);
    await until(async () => (await total()) === statement.total + 2 * LINE + 100, 'the new worker');
    await until(noJobs, 'an empty queue');
    expect(await queue.getFailedCount()).toBe(0);

    // A change of status, and what the DTOs refuse.
    expect((await write('PATCH', ORDER, { status: 'lost' })).code).toBe(400);
    await cached(STATEMENT);
    await write('PATCH', ORDER, { status: 'cancelled' });
    expect((await request(ORDER)).body.status).toBe('cancelled');
    expect((await request(LIST)).body[0].status).toBe('cancelled');
    await until(async () => (await total()) === statement.total - before.total + 100, 'the cancelled order');
    expect((await request('/customers/99/statement')).body).toEqual({ customer: 99, orders: 0, total: 0 });
    expect((await write('POST', '/customers/99/orders', { lines: [] })).code).toBe(400);
  });

  it('ends all that it started on Ctrl-C', async () => {
    const postgres = new URL(await sample.printed(/POSTGRES_URL=(\S+)/));
    const processes = [await sample.webProcess(), await sample.worker(-1)];
    expect(processes.map(isAlive)).toEqual([true, true]);
    expect(await canConnect(postgres)).toBe(true);
    expect(await sample.interrupt()).toBe(0);
    expect(processes.map(isAlive)).toEqual([false, false]);
    expect(await canConnect(postgres)).toBe(false);
  });
});
