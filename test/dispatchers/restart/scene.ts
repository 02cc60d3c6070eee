import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { memoryStore, type CacheStore } from '../../../lib/index.js';
import { OwnServer } from '../../servers/own.mjs';
import { serverUrl, type ServerName } from '../../servers/url.js';
import { LogBook } from '../../support/application.js';
import { Item, openDatabase, startItems, until, type Started } from '../support/world.js';
import type { Hanging } from './hanging-worker.js';
import { createDispatcher, dispatcherOf, type Line, type TransportName } from '../support/transports.js';
import { startWorker } from '../support/worker.js';

/** What a broker runs as, and how it is told to keep what it acknowledged. */
const BROKERS: Record<TransportName, { server: ServerName; options?: string[] }> = {
  bullmq: { server: 'redis', options: ['--appendonly', 'yes', '--appendfsync', 'always'] },
  'pg-boss': { server: 'postgres' },
  outbox: { server: 'postgres' },
  RabbitMQ: { server: 'rabbitmq' },
  NATS: { server: 'nats' },
};

const ITEMS = 50;

/** RabbitMQ writes a queue within two seconds of its declaration. Milliseconds. */
const QUEUE_IS_WRITTEN = 4_000;

const brokers = new Map<ServerName, Promise<OwnServer>>();
let scenes = 0;

/** The broker of these tests, which none but they kill. */
export function brokerOf(transport: TransportName): Promise<OwnServer> {
  const { server, options } = BROKERS[transport];
  const broker = brokers.get(server) ?? OwnServer.start(server, options);
  brokers.set(server, broker);
  return broker;
}

/** Whether the broker is the database of the entities. */
export const isDatabase = (transport: TransportName): boolean => BROKERS[transport].server === 'postgres';

export interface SceneSettings {
  readonly store?: CacheStore;
  /** Options of the rule. Default: `eager: false`, so that items are dropped by jobs alone. */
  readonly rule?: object;
}

/** An application with cached items, and its workers. */
export class Scene {
  readonly log = new LogBook();
  readonly #open: { close(): Promise<unknown> }[] = [];
  #items!: Started['items'];
  #nextId = 1;

  private constructor(
    readonly line: Line,
    readonly dataSource: DataSource,
    private readonly store: CacheStore,
  ) {}

  static async start(
    transport: TransportName,
    { store = memoryStore(), rule }: SceneSettings = {},
  ): Promise<Scene> {
    const { url } = await brokerOf(transport);
    const name = `restart_${++scenes}`;
    const dataSource = await openDatabase(isDatabase(transport) ? 'PostgreSQL' : 'sql.js', name, url);
    const { schema } = dataSource.options as { schema?: string };
    const scene = new Scene(
      { transport, url, namespace: `${name}-${process.pid}`, schema },
      dataSource,
      store,
    );
    await scene.#start(rule ?? { eager: false });
    return scene;
  }

  async close(): Promise<void> {
    for (const one of this.#open.reverse()) await one.close();
    await this.dataSource.destroy();
  }

  /** Starts a worker. */
  async work(): Promise<void> {
    const { store, dataSource, log } = this;
    this.#open.push(await startWorker(this.line, { store, dataSources: [dataSource], logger: log }));
  }

  /** Killed before it has written a queue, RabbitMQ forgets it, with the jobs that it has confirmed. Nothing tells when it has. */
  async queueIsWritten(): Promise<void> {
    if (this.line.transport === 'RabbitMQ') await delay(QUEUE_IS_WRITTEN);
  }

  text(id: number): Promise<string | undefined> {
    return this.#items.text(id);
  }

  /** Another item, cached with its old text. */
  async cachedItem(): Promise<number> {
    const id = this.#nextId++;
    expect(await this.text(id)).toBe('old');
    return id;
  }

  change(id: number, text = 'new'): Promise<unknown> {
    return this.dataSource.manager.save(Item, { id, text });
  }

  /** Changes while the broker is away: that goes through, unless the broker is the database. */
  async changeMeanwhile(id: number): Promise<void> {
    if (isDatabase(this.line.transport)) await expect(this.change(id)).rejects.toThrow();
    else await this.change(id);
  }

  /** Changes when the broker is back; the pool of a database may give out connections to the one that was killed. */
  changeAtLast(id: number): Promise<void> {
    return until(() => this.change(id).then(Boolean, () => false), `item ${id} is changed`);
  }

  becomesFresh(ids: readonly number[], seconds = 120): Promise<void> {
    let texts: readonly (string | undefined)[] = [];
    const areFresh = async (): Promise<boolean> => {
      texts = await Promise.all(ids.map((id) => this.text(id)));
      return texts.every((text) => text === 'new');
    };
    const { errors, warnings } = this.log;
    const report = (): string => `${texts.join()}. Logged: ${[...errors, ...warnings].join('; ')}`;
    return until(areFresh, `items ${ids.join()} are fresh`, { seconds, report });
  }

  /** Lets the time pass for which a job is its taker's alone, where that is counted in the database. */
  async leaseEnds(): Promise<void> {
    const { transport, schema } = this.line;
    if (transport === 'outbox')
      await this.dataSource.query(`UPDATE "${schema}".restflow_outbox SET due_at = due_at - 30000`);
    if (transport === 'pg-boss')
      await this.dataSource.query(
        `UPDATE "${schema}_boss".job SET started_on = started_on - interval '60 seconds' WHERE state = 'active'`,
      );
  }

  /** Starts a worker in a process of its own that takes a job and does nothing with it. */
  hang(): { saidTaken(): boolean; hasTaken(): Promise<void>; kill(): Promise<void> } {
    const [loader, file] = ['../../support/typescript.mjs', './hanging-worker.ts'].map(
      (path) => new URL(path, import.meta.url),
    );
    const told: Hanging = { line: this.line, redis: serverUrl('redis') };
    const args = ['--no-warnings', '--import', loader!.href, file!.pathname, JSON.stringify(told)];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    const kill = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    };
    this.#open.push({ close: kill });
    const saidTaken = (): boolean => output.includes('taken');
    return { kill, saidTaken, hasTaken: () => until(saidTaken, 'the job is taken') };
  }

  async #start(rule: object): Promise<void> {
    const { line, dataSource, store } = this;
    // Before the application watches, so that these have no jobs.
    await dataSource.manager.insert(
      Item,
      Array.from({ length: ITEMS }, (_, index) => ({ id: index + 1, text: 'old' })),
    );
    const { app, items } = await startItems(dispatcherOf(line), {
      dataSource,
      rule,
      dispatchers: [await createDispatcher(line, false)],
      options: { namespace: line.namespace, store },
    });
    this.#open.push(app);
    this.#items = items;
  }
}
