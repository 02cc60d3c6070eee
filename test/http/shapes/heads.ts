import { GoneException, Header, HttpCode, NotFoundException, Redirect } from '@nestjs/common';
import { beside, returned, sent, written, type RawSender, type Shape } from './shape.js';

const code = (status: number): { status: number; decorators: MethodDecorator[] } => ({
  status,
  decorators: [HttpCode(status)],
});

/** Statuses. Those beyond 200, 203, 301 and 308 are stored where `statuses` names them. */
const statuses: readonly Shape[] = [
  returned('201', () => ({ made: true }), code(201)),
  returned('204', () => undefined, code(204)),
  written('204 written', (response) => void (response.writeHead(204), response.end()), { status: 204 }),
  returned('300', () => ['/a', '/b'], code(300)),
  returned('301', () => undefined, { status: 301, decorators: [Redirect('/elsewhere?a=1&b=%20', 301)] }),
  returned('302', () => undefined, { status: 302, decorators: [Redirect('https://b.test/')] }),
  returned('303 by the value', () => ({ url: '/there', statusCode: 303 }), {
    ...{ status: 303, decorators: [Redirect('/elsewhere', 301)] },
  }),
  written('307 written', (response) => void (response.writeHead(307, { Location: '/a' }), response.end()), {
    status: 307,
  }),
  returned('308', () => undefined, { status: 308, decorators: [Redirect('/elsewhere', 308)] }),
  returned(
    '404 thrown',
    () => {
      throw new NotFoundException('no such page');
    },
    { status: 404 },
  ),
  sent('404 sent', (response) => response.status(404).send({ missing: true }), { status: 404 }),
  returned(
    '410 thrown',
    () => {
      throw new GoneException();
    },
    { status: 410 },
  ),
  beside('405', (response) => void response.header('Allow', 'PUT, DELETE'), code(405)),
  returned('414', () => 'too long', code(414)),
  returned('501', () => 'not made', code(501)),
  beside('503', (response) => response.header('Retry-After', '120') && 'busy', code(503)),
  written(
    'a reason of its own',
    (response) => void (response.writeHead(200, 'Quite Fine', { 'X-A': '1' }), response.end('fine')),
    { without: ['http2'] },
  ),
  written(
    'a reason set before',
    (response) => {
      response.statusCode = 404;
      response.statusMessage = 'Nowhere';
      response.end('gone');
    },
    { status: 404, without: ['http2'] },
  ),
];

const long = 'long '.repeat(800).trim();

/** Headers. */
const headers: readonly Shape[] = [
  written('a repeated header', (response) => {
    response.setHeader('X-Several', ['one', 'two', 'one']);
    response.end('several');
  }),
  beside('a repeated header, sent by Nest', (response) => {
    response.header('Link', ['</a>; rel=preload', '</b>; rel=preload']);
    return 'links';
  }),
  written('a repeated header in a list', (response) => {
    response.writeHead(200, ['X-List', 'a', 'X-Other', 'b', 'x-list', 'c']);
    response.end('list');
  }),
  written('challenges', (response) => {
    response.writeHead(200, { 'WWW-Authenticate': ['Basic realm="a"', 'Bearer'] });
    response.end('who');
  }),
  written('an odd case', (response) => {
    response.setHeader('x-oDD-cASE', '1');
    response.setHeader('CONTENT-type', 'TEXT/Plain;Charset="utf-8"');
    response.setHeader('last-MODIFIED', 'Thu, 01 Jan 2026 00:00:00 GMT');
    response.end('odd');
  }),
  beside('an odd case, sent by Nest', (response) => response.header('x-oDD-cASE', '1') && { odd: true }),
  beside('an odd case on Node’s response, sent by Nest', (response) => {
    const { raw = response } = response as { raw?: unknown };
    (raw as RawSender).setHeader('x-oDD-cASE', '1');
    (raw as RawSender).setHeader('VARY', ['Accept-Language', 'X-Two']);
    (raw as RawSender).setHeader('ETag', '"mine"');
    return 'odd';
  }),
  written('an order', (response) => {
    for (const name of ['Z-1', 'A-2', 'M-3', 'Content-Type', 'B-4']) response.setHeader(name, 'text/plain');
    response.end('ordered');
  }),
  returned('fixed headers', () => 'fixed', {
    decorators: [Header('X-Fixed', 'yes'), Header('Content-Language', 'de, en')],
  }),
  beside('a strong ETag', (response) => response.header('ETag', '"mine, all"') && 'tagged'),
  beside('a weak ETag', (response) => response.header('ETag', 'W/"mine"') && 'tagged'),
  beside(
    'a Last-Modified',
    (response) => response.header('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT') && 'old',
  ),
  beside('a Vary', (response) => response.header('Vary', 'Accept-Language') && 'varied', {
    ask: ['Accept-Language: de'],
  }),
  written('a Vary on two lines', (response) => {
    response.setHeader('Vary', ['Accept-Language', 'X-Two']);
    response.end('varied');
  }),
  beside(
    'a lifetime',
    (response) =>
      response
        .header('Cache-Control', 'public, max-age=600')
        .header('Expires', new Date(2030, 1).toUTCString()) && 'lasting',
  ),
  written('an empty value', (response) => {
    response.setHeader('X-Empty', '');
    response.end('empty');
  }),
  written('a value beyond ASCII', (response) => {
    response.setHeader('X-Latin', 'Gr\u00fc\u00dfe');
    response.end('latin');
  }),
  written('a long value', (response) => {
    response.setHeader('X-Long', long);
    response.end('long');
  }),
  written('a value that is a number', (response) => {
    response.setHeader('X-Number', 42);
    response.end('number');
  }),
  written('quotes and commas', (response) => {
    response.setHeader('X-Quoted', '"a, b", c="\\"d\\""; e=f');
    response.end('quoted');
  }),
  beside(
    'a policy',
    (response) => response.header('Content-Security-Policy', "default-src 'self'; img-src *") && 'safe',
  ),
  beside('a location', (response) => response.header('Content-Location', '/here?a=1') && 'here'),
  beside('a removed header of middleware', (response) => void response.removeHeader('X-From-Middleware'), {
    without: ['fastify'],
  }),
  written('a removed header of middleware, on the raw response', (response) => {
    response.removeHeader('X-From-Middleware');
    response.end('removed');
  }),
  written(
    'a reason for a whole body',
    (response) => {
      response.statusMessage = 'Just So';
      response.end('fine');
    },
    { without: ['http2'] },
  ),
  beside(
    'a changed header of middleware',
    (response) => response.header('X-From-Middleware', 'changed') && 'changed',
  ),
];

export const heads: readonly Shape[] = [...statuses, ...headers];
