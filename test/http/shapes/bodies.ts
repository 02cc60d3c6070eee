import { Header, HttpCode, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { of } from 'rxjs';
import { beside, piped, returned, sent, written, type Shape } from './shape.js';

const bytes = Buffer.from([0, 1, 2, 13, 10, 253, 254, 255]);
const large = Array.from({ length: 4000 }, (_, id) => ({ id, name: `number ${id}`, odd: id % 2 === 1 }));
const parts = (): Readable => Readable.from([Buffer.from('one,'), Buffer.from('two,'), Buffer.from('three')]);

async function* generated(): AsyncGenerator<string> {
  yield 'first,';
  yield 'second';
}

/** What handlers return. */
const returnedBodies: readonly Shape[] = [
  returned('an object', () => ({ id: 1, name: 'Ünïcødé 🙂', nothing: null })),
  returned('an array', () => [1, 'two', { three: 3 }]),
  returned('a string', () => 'Grüße'),
  returned('HTML', () => '<p>hi</p>', { decorators: [Header('Content-Type', 'text/html')] }),
  returned('a number', () => 42),
  returned('a boolean', () => false),
  returned('null', () => null),
  returned('undefined', () => undefined),
  returned('an empty string', () => ''),
  returned('an Observable', () => of({ late: true })),
  returned('a Promise', async () => ({ later: true })),
  returned('a large object', () => large),
  returned('a Buffer', () => bytes),
  returned('a StreamableFile of bytes', () => new StreamableFile(bytes, { type: 'application/pdf' })),
  returned('a StreamableFile of a stream', () => new StreamableFile(parts(), { type: 'text/csv' })),
  returned(
    'a StreamableFile with its length and name',
    () => new StreamableFile(parts(), { length: 13, disposition: 'attachment; filename="a b.csv"' }),
  ),
  returned('a StreamableFile of nothing', () => new StreamableFile(Readable.from([]))),
  returned('an async generator', () => generated()),
  returned(
    'a web Response',
    () => new Response('from a Response', { status: 203, headers: { 'X-From': 'response' } }),
    { status: 203 },
  ),
  returned('another status', () => ({ partial: true }), { status: 203, decorators: [HttpCode(203)] }),
  beside(
    'an object, beside a header and a status',
    (response) => {
      response.status(203).header('X-Beside', 'yes');
      return { by: 'nest' };
    },
    { status: 203 },
  ),
];

/** What handlers send by themselves. */
const sentBodies: readonly Shape[] = [
  sent('a sent Buffer', (response) => response.type('image/png').send(bytes)),
  sent('a sent object', (response) => response.status(203).send({ by: 'hand' }), { status: 203 }),
  sent('a sent string', (response) => response.type('text/plain').send('by hand')),
  sent('a sent nothing', (response) => response.send()),
  piped('a piped stream', parts, { 'Content-Type': 'text/csv' }),
  piped('a long piped stream', () => Readable.from(['a', 'b', 'c'].map((letter) => letter.repeat(70_000)))),
  piped('a piped nothing', () => Readable.from([]), { 'Content-Type': 'text/plain' }),
  written('one chunk at the end', (response) => response.end('the end')),
  written('nothing at the end', (response) => response.end()),
  written('several chunks', (response) => {
    response.setHeader('Content-Type', 'text/plain; charset=latin1');
    response.write('Gr\u00fc', 'latin1');
    response.write(Buffer.from([0xdf]));
    response.end('AAEC', 'base64');
  }),
  written('chunks over time', (response) => {
    response.write('now, ');
    setTimeout(() => response.end('and later'), 5);
  }),
  written('headers that go before the body', (response) => {
    response.setHeader('Content-Type', 'text/plain');
    response.flushHeaders();
    setImmediate(() => response.end('late'));
  }),
  written('a body with its length', (response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length });
    response.end(bytes);
  }),
];

export const bodies: readonly Shape[] = [...returnedBodies, ...sentBodies];
