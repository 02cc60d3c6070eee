import { Header, HttpCode } from '@nestjs/common';
import { beside, returned, written, type Shape } from './shape.js';

const REFUSED = { isCacheable: false };
const saying = (name: string, value: string): Shape =>
  returned(`${name}: ${value}`, () => 'not for all', { ...REFUSED, decorators: [Header(name, value)] });

/** What is sent as it is, twice, and never stored. */
export const refused: readonly Shape[] = [
  saying('Cache-Control', 'no-store'),
  saying('Cache-Control', 'private, max-age=60'),
  saying('Vary', '*'),
  beside(
    'a cookie',
    (response) => response.header('Set-Cookie', ['a=1', 'b=2; Path=/']) && 'cookies',
    REFUSED,
  ),
  returned('206', () => 'part', { ...REFUSED, status: 206, decorators: [HttpCode(206)] }),
  written('304', (response) => void (response.writeHead(304, { ETag: '"a"' }), response.end()), {
    ...REFUSED,
    status: 304,
  }),
  written(
    'trailers',
    (response) => {
      response.setHeader('Trailer', 'X-Sum');
      response.write('body');
      (response as unknown as { addTrailers(trailers: object): void }).addTrailers({ 'X-Sum': '1' });
      response.end();
    },
    REFUSED,
  ),
];
