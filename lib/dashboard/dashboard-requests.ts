import { createHmac, timingSafeEqual } from 'node:crypto';
import { BadRequestException, ForbiddenException } from '@nestjs/common';
import { isRecord, isTextList } from '../common/options.js';

/** The part of a request that is read. */
export interface DashboardRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly user?: unknown;
}

/** Milliseconds for which a token is good. */
const TOKEN_MS = 12 * 3600 * 1000;

/** The token of a request that changes something, from a page of this process. */
export function actionToken(secret: string, now: number): string {
  const expires = String(now + TOKEN_MS);
  return `${expires}.${signatureOf(secret, expires)}`;
}

function signatureOf(secret: string, expires: string): string {
  return createHmac('sha256', secret).update(`restflow-dashboard.${expires}`).digest('base64url');
}

function isToken(secret: string, token: unknown, now: number): boolean {
  if (typeof token !== 'string') return false;
  const [expires = '', signature = ''] = token.split('.', 2);
  const wanted = Buffer.from(signatureOf(secret, expires));
  const given = Buffer.from(signature);
  return given.length === wanted.length && timingSafeEqual(given, wanted) && Number(expires) > now;
}

/** A page of another site can make a browser send requests, with its cookies. @throws ForbiddenException */
export function assertOwnPage({ headers }: DashboardRequest, secret: string, now: number): void {
  const problem = !isSameOrigin(headers)
    ? 'The request does not come from the page itself.'
    : isToken(secret, headers['x-restflow-token'], now)
      ? undefined
      : 'The token of the page is missing or no longer good. Load the page again.';
  if (problem !== undefined) throw new ForbiddenException(problem);
}

function isSameOrigin(headers: DashboardRequest['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin, host } = headers;
  if (typeof origin !== 'string' || typeof host !== 'string') return false;
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** What is dropped from the page. */
export type DashboardAction =
  | { readonly kind: 'everything' }
  | { readonly kind: 'method'; readonly method: string }
  | { readonly kind: 'partition'; readonly method: string; readonly values: Record<string, unknown> }
  | { readonly kind: 'tags'; readonly tags: readonly string[] }
  | { readonly kind: 'key'; readonly method: string; readonly args: readonly unknown[] };

/** @throws BadRequestException for anything else */
export function readAction(body: unknown): DashboardAction {
  if (isRecord(body)) {
    const { kind, method, values, tags, args } = body;
    const hasMethod = typeof method === 'string';
    if (kind === 'everything') return { kind };
    if (kind === 'method' && hasMethod) return { kind, method };
    if (kind === 'partition' && hasMethod && isRecord(values)) return { kind, method, values };
    if (kind === 'tags' && isTextList(tags)) return { kind, tags: tags as string[] };
    if (kind === 'key' && hasMethod && Array.isArray(args)) return { kind, method, args };
  }
  throw new BadRequestException('The body is no action: { kind, method?, values?, tags?, args? }.');
}

/** A call that is typed in. @throws BadRequestException for anything else */
export function readCall(body: unknown): { readonly method: string; readonly args: readonly unknown[] } {
  if (isRecord(body) && typeof body['method'] === 'string' && Array.isArray(body['args']))
    return { method: body['method'], args: body['args'] as unknown[] };
  throw new BadRequestException('The body is no call: { method, args: [] }.');
}

/** Who asked, for the log. */
export function actorOf({ user }: DashboardRequest): string {
  if (!isRecord(user)) return 'somebody';
  const name = user['id'] ?? user['sub'] ?? user['username'];
  return typeof name === 'string' || typeof name === 'number' ? JSON.stringify(name) : 'somebody';
}
