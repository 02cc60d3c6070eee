import 'reflect-metadata';
import { Module, type INestApplication, type ModuleMetadata, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CacheService, RestflowCacheModule, type RestflowCacheOptions } from '../../../lib/index.js';
import { settled } from '../../support/gate.js';
import { until } from '../../support/until.js';
import { TestClock } from './test-clock.js';

export { until };

export type PlatformName = 'express' | 'fastify';
export const platforms: PlatformName[] = ['express', 'fastify'];

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly bytes: Buffer;
  /** `X-Cache-Status`. */
  readonly cache: string | undefined;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
}

export interface TestApplication {
  readonly app: INestApplication;
  readonly port: number;
  readonly cache: CacheService;
  readonly clock: TestClock;
  /** What Nest logged as a warning or an error. */
  readonly complaints: string[];
  /** What it logged besides. */
  readonly lines: string[];
  get(path: string, options?: RequestOptions | RequestOptions['headers']): Promise<Answer>;
  /** Resolves when so many requests are unanswered, and have come as far as they can. */
  held(requests: number): Promise<void>;
  close(): Promise<void>;
}

export interface ApplicationOptions extends ModuleMetadata {
  readonly cache?: RestflowCacheOptions;
  /** Before it listens: prefixes, versions, middleware. */
  readonly setup?: (app: INestApplication) => void | Promise<void>;
  readonly adapter?: object;
}

/** An application with the cache, on a socket; cache headers on unless `cache` says otherwise. */
export async function start(platform: PlatformName, options: ApplicationOptions): Promise<TestApplication> {
  const { cache = {}, setup, adapter = {}, imports = [], ...rest } = options;
  const clock = new TestClock();
  @Module({
    imports: [
      ...imports,
      RestflowCacheModule.forRoot({ setCacheHeaders: true, dataSources: false, clock, ...cache }),
    ],
    ...rest,
  })
  class AppModule {}
  const complaints: string[] = [];
  const lines: string[] = [];
  const app = await create(platform, AppModule, adapter, complaints, lines);
  await setup?.(app);
  await app.listen(0, '127.0.0.1');
  return { ...running(app), clock, complaints, lines };
}

async function create(
  platform: PlatformName,
  module: Type,
  adapter: object,
  complaints: string[],
  lines: string[],
): Promise<INestApplication> {
  const complain = (...args: unknown[]): void => void complaints.push(args.map(String).join(' '));
  return NestFactory.create(
    module,
    platform === 'express' ? new ExpressAdapter() : new FastifyAdapter(adapter),
    {
      abortOnError: false,
      logger: {
        log: (line) => void lines.push(String(line)),
        warn: complain,
        error: complain,
        fatal: complain,
      },
    },
  );
}

/** What tests need of an application that listens. */
export function running(app: INestApplication): Omit<TestApplication, 'clock' | 'complaints' | 'lines'> {
  const server = app.getHttpServer() as Server;
  const { port } = server.address() as AddressInfo;
  let unanswered = 0;
  server.on('request', (_, response) => {
    unanswered++;
    response.once('close', () => unanswered--);
  });
  return {
    app,
    port,
    cache: app.get(CacheService),
    get: (path, options = {}) => send(port, path, isOptions(options) ? options : { headers: options }),
    held: async (requests) => {
      await until(() => unanswered === requests);
      await settled();
    },
    close: () => {
      server.closeAllConnections?.();
      return app.close();
    },
  };
}

function isOptions(
  options: RequestOptions | NonNullable<RequestOptions['headers']>,
): options is RequestOptions {
  return 'method' in options || 'body' in options || typeof options['headers'] === 'object';
}

/** One request on a connection of its own. */
export function send(
  port: number,
  path: string,
  { method, headers, body }: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode!,
          headers: incoming.headers,
          body: bytes.toString(),
          bytes,
          cache: incoming.headers['x-cache-status'] as string | undefined,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** A promise that a test resolves. */
export function gate<T = void>(): { promise: Promise<T>; open: (value?: T) => void } {
  let open!: (value?: T) => void;
  const promise = new Promise<T>((resolve) => (open = resolve as typeof open));
  return { promise, open };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
