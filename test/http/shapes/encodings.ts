import { Header, Render, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { brotliCompressSync, createGzip, gzipSync } from 'node:zlib';
import { piped, returned, sent, type Sender, type Shape } from './shape.js';

const text = 'a text that is worth compressing. '.repeat(100);
const GZIP = ['Accept-Encoding: gzip'];

/** Encoded by the handler itself. */
export const encoded: readonly Shape[] = [
  sent('gzip', (response) =>
    response.type('text/plain').header('Content-Encoding', 'gzip').send(gzipSync(text)),
  ),
  sent('brotli', (response) =>
    response
      .type('text/plain')
      .header('Content-Encoding', 'br')
      .header('Vary', 'Accept-Encoding')
      .send(brotliCompressSync(text)),
  ),
  piped('gzip, piped', () => Readable.from([text]).pipe(createGzip()), {
    'Content-Type': 'text/plain',
    'Content-Encoding': 'gzip',
    Vary: 'Accept-Encoding',
  }),
];

/** Encoded by what stands below: the compression middleware of Express, the plugin of Fastify. */
export const compressed: readonly Shape[] = [
  returned('an object for gzip', () => ({ text }), { ask: GZIP }),
  returned('an object for brotli', () => ({ text }), { ask: ['Accept-Encoding: br'] }),
  returned('an object for deflate', () => ({ text }), { ask: ['Accept-Encoding: deflate'] }),
  returned('an object as it is', () => ({ text }), { ask: ['Accept-Encoding: identity'] }),
  returned('a stream for gzip', () => new StreamableFile(Readable.from([text, text]), { type: 'text/csv' }), {
    ask: GZIP,
  }),
  returned('a small text for gzip', () => 'small', { ask: GZIP }),
  returned(
    'bytes that nobody compresses',
    () => new StreamableFile(Buffer.alloc(5000), { type: 'image/png' }),
    {
      ask: GZIP,
    },
  ),
  sent(
    'what is encoded already',
    (response) => response.type('text/plain').header('Content-Encoding', 'br').send(brotliCompressSync(text)),
    { ask: GZIP },
  ),
];

interface Viewer extends Sender {
  render?(name: string, data: object): unknown;
  view?(name: string, data: object): unknown;
}

/** Made from a template, with the engine of the platform. */
export const rendered: readonly Shape[] = [
  returned('a view', () => ({ title: 'a <view>' }), { decorators: [Render('page')] }),
  returned('a view with headers', () => ({ title: 'headers' }), {
    decorators: [Render('page'), Header('X-View', '1')],
  }),
  sent('a view by hand', (response) => {
    const { render, view } = response as Viewer;
    return (render ?? view)!.call(response, 'page', { title: 'by hand' });
  }),
];
