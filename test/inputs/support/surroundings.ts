import type { INestApplication } from '@nestjs/common';
import type { PlatformName } from '../../http/support/application.js';
import type { AnyRequest } from './ways.js';

export type Handle = (request: AnyRequest, response: AnyRequest, next: () => void) => void;

/** Runs code in front of all routes: middleware on Express, a hook on Fastify. */
export function inFront(handle: Handle): (app: INestApplication, platform: PlatformName) => void {
  return (app, platform) => {
    if (platform === 'express') app.use(handle);
    else app.getHttpAdapter().getInstance().addHook('onRequest', handle);
  };
}

/** One cookie of the request, as middleware resolves it. */
export function cookieOf(request: AnyRequest, name: string): string | undefined {
  return new RegExp(`(?:^|; )${name}=([^;]*)`).exec(request['headers'].cookie ?? '')?.[1];
}

/** The account of the session that the cookie names. */
export function accountOf(request: AnyRequest): { name: string } | undefined {
  const name = cookieOf(request, 'sid');
  return name === undefined ? undefined : { name };
}

/** What `headers` of Node has for a request of either platform. */
export const rawOf = (one: AnyRequest): AnyRequest => one['raw'] ?? one;
