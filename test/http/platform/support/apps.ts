import type { INestApplication, Type } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ExpressPlatform } from '../../../../lib/http/platform/express.platform.js';
import { FastifyPlatform } from '../../../../lib/http/platform/fastify.platform.js';
import { Recorder } from './recorder.js';

export type PlatformName = 'express' | 'fastify';
export const platforms: PlatformName[] = ['express', 'fastify'];

export interface TestApp {
  readonly recorder: Recorder;
  readonly app: INestApplication;
  readonly port: number;
  /** Everything that Nest or Fastify logged as a warning or an error. */
  readonly complaints: string[];
  close(): Promise<void>;
}

/** What Nest calls middleware: on Fastify it gets the raw request and response. */
export type Middleware = (request: never, response: never, next: () => void) => void;

export interface AppOptions {
  readonly middleware?: readonly Middleware[];
  /** Before anything listens: hooks, engines, global filters. */
  readonly setup?: (app: INestApplication, instance: never) => void;
  readonly interceptorsOutside?: readonly object[];
  readonly http2?: boolean;
}

export async function start(
  platform: PlatformName,
  controller: Type,
  options: AppOptions = {},
): Promise<TestApp> {
  const complaints: string[] = [];
  const complain = (...args: unknown[]): void => void complaints.push(args.map(String).join(' '));
  const adapter = platform === 'express' ? new ExpressAdapter() : fastifyAdapter(complain, options.http2);
  const recorder = new Recorder(platform === 'express' ? new ExpressPlatform() : new FastifyPlatform());
  if (platform === 'fastify') FastifyPlatform.install(adapter.getInstance());
  const outside = (options.interceptorsOutside ?? []).map((useValue) => ({
    provide: APP_INTERCEPTOR,
    useValue,
  }));
  const module = await Test.createTestingModule({
    controllers: [controller],
    providers: [...outside, { provide: APP_INTERCEPTOR, useValue: recorder }],
  }).compile();
  const logger = { log: () => undefined, warn: complain, error: complain, fatal: complain };
  const app = module.createNestApplication(adapter, { logger });
  for (const middleware of options.middleware ?? []) app.use(middleware);
  options.setup?.(app, adapter.getInstance() as never);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const close = (): Promise<void> => {
    (app.getHttpServer() as Server).closeAllConnections?.();
    return app.close();
  };
  return { recorder, app, port, complaints, close };
}

function fastifyAdapter(complain: (line: string) => void, http2 = false): FastifyAdapter {
  const logger = { level: 'warn', stream: { write: complain } };
  return new FastifyAdapter(http2 ? ({ logger, http2: true } as never) : { logger });
}
