import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { inRoot } from '../../scripts/root.mjs';
import { until } from '../support/until.js';

// The command builds the library and the sample, where they are not built yet.

/** `npm run sample:02`, as a process group of its own, as a terminal has it. */
export class Sample {
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
    await until(async () => find() !== undefined || this.#child.exitCode !== null, `${pattern}`, {
      report: this.#report,
    });
    if (find() === undefined) throw new Error(`It ended without ${pattern}:\n${this.#output}`);
    return find()!;
  }

  web = (): Promise<string> => this.printed(/shop listens on (\S+)/);
  webProcess = async (): Promise<number> =>
    Number(await this.printed(/shop listens on \S+ \(\S+, process (\d+)\)/));
  worker = async (nth = 0): Promise<number> =>
    Number(await this.printed(/queued \(\S+, process (\d+)\)/, nth));

  pressEnter(): void {
    this.#child.stdin!.write('\n');
  }

  /** Ctrl-C; answers the exit code. */
  async interrupt(): Promise<number | null> {
    if (this.#child.exitCode === null) process.kill(-this.#child.pid!, 'SIGINT');
    return this.ended();
  }

  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** What Nest logged as an error or a warning. */
  errors(): string[] {
    return this.#output.split('\n').filter((line) => /\b(ERROR|WARN)\b/.test(line));
  }

  /** What it brought up itself. */
  servers(): string[] {
    return this.#output.split('\n').filter((line) => /^\w+_URL=/.test(line));
  }

  readonly #report = (): string => this.#output;
}

/** What a browser does. */
export class Shop {
  constructor(private readonly url: string) {}

  async request(path: string, init: RequestInit = {}) {
    const response = await fetch(this.url + path, init);
    const body: any = await response.json();
    return { code: response.status, cache: response.headers.get('x-cache-status'), body };
  }

  write = (method: string, path: string, body: unknown): ReturnType<Shop['request']> =>
    this.request(path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  addLine = (): ReturnType<Shop['request']> =>
    this.write('POST', `${ORDER}/lines`, { product: 'tea', quantity: 2, price: 450 });

  /** Reads until the answer comes from the cache, so that what follows says whether it still does. */
  async cached(path: string): Promise<any> {
    let answer = await this.request(path);
    await until(async () => (answer = await this.request(path)).cache === 'HIT', `a hit of ${path}`);
    if (answer.code !== 200) throw new Error(`${path} answers ${answer.code}`);
    return answer.body;
  }
}

export const ORDER = '/orders/1';
export const LIST = '/customers/1/orders';
export const STATEMENT = '/customers/1/statement';
/** What a line adds to a total. */
export const LINE = 900;
