import { Controller, Get, Res, type Type } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { CacheResponse, type CacheResponseOptions } from '../../../lib/index.js';

/** What Express and Fastify have in common. */
export interface Sender {
  header(name: string, value: string | readonly string[]): Sender;
  removeHeader(name: string): unknown;
  status(code: number): Sender;
  type(type: string): Sender;
  send(body?: unknown): unknown;
}

/** What Node's responses have in common, on HTTP/1.1 and HTTP/2. */
export interface RawSender {
  statusCode: number;
  statusMessage: string;
  setHeader(name: string, value: string | number | readonly string[]): unknown;
  removeHeader(name: string): unknown;
  writeHead(status: number, ...rest: unknown[]): unknown;
  flushHeaders(): unknown;
  write(chunk: string | Uint8Array, encoding?: BufferEncoding): unknown;
  end(chunk?: string | Uint8Array, encoding?: BufferEncoding): unknown;
}

/** A kind of answer that a handler may give. */
export interface Shape {
  readonly name: string;
  readonly status: number;
  /** Whether the second answer has to come from the cache. */
  readonly isCacheable: boolean;
  /** What the handler does, and how it gets to its response: not at all, beside Nest, or in place of Nest. */
  readonly answer: (response: never) => unknown;
  readonly response: 'none' | 'passthrough' | 'own';
  readonly decorators: readonly MethodDecorator[];
  /** In `freshness: 'ttl'`. */
  readonly options: CacheResponseOptions;
  /** Header lines of the request. */
  readonly ask: readonly string[];
  /** It does not exist on HTTP/2, or not on one of the platforms. */
  readonly without: readonly ('http2' | 'express' | 'fastify')[];
}

type Given = Partial<Omit<Shape, 'name' | 'answer'>>;

const DEFAULTS: Omit<Shape, 'name' | 'answer'> = {
  ...{ status: 200, isCacheable: true, response: 'none' as const, options: {} },
  ...{ decorators: [], ask: [], without: [] },
};

/** The handler returns its answer. */
export function returned(name: string, answer: () => unknown, given: Given = {}): Shape {
  return { ...DEFAULTS, ...widened(given), name, answer };
}

/** The handler returns its answer, and does something to the response before. */
export function beside(name: string, answer: (response: Sender) => unknown, given: Given = {}): Shape {
  return { ...DEFAULTS, response: 'passthrough', ...widened(given), name, answer };
}

/** The handler sends its answer by the methods of its platform. */
export function sent(name: string, answer: (response: Sender) => unknown, given: Given = {}): Shape {
  return { ...DEFAULTS, response: 'own', ...widened(given), name, answer };
}

/** The handler writes on Node's response. */
export function written(name: string, answer: (response: RawSender) => unknown, given: Given = {}): Shape {
  const onRaw = (response: RawSender & { raw?: RawSender }): unknown => answer(response.raw ?? response);
  return { ...DEFAULTS, response: 'own', ...widened(given), name, answer: onRaw };
}

/** The handler pipes a stream into Node's response. */
export function piped(name: string, source: () => Readable, headers: object = {}, given: Given = {}): Shape {
  return written(
    name,
    (response) => {
      for (const [header, value] of Object.entries(headers)) response.setHeader(header, value as string);
      source().pipe(response as never);
    },
    given,
  );
}

/** A status that is not stored by default is, where the route says so. */
function widened(given: Given): Given {
  const { status = 200, isCacheable = true } = given;
  return isCacheable ? { ...given, options: { statuses: [status], ...given.options } } : given;
}

/** How often each handler ran. */
export type Runs = Map<string, number>;

/** A controller with a handler for each shape, at `/<index>`. */
export function controllerOf(
  shapes: readonly Shape[],
  freshness: 'ttl' | 'headers',
  runs: Runs,
): Type<unknown> {
  class Shapes {}
  const prototype = Shapes.prototype;
  for (const [index, shape] of shapes.entries()) {
    const key = `shape${index}`;
    const handler = function (response: never): unknown {
      runs.set(shape.name, (runs.get(shape.name) ?? 0) + 1);
      return shape.answer(response);
    };
    const descriptor = { value: handler, configurable: true, writable: true };
    Object.defineProperty(prototype, key, descriptor);
    if (shape.response === 'own') Res()(prototype, key, 0);
    if (shape.response === 'passthrough') Res({ passthrough: true })(prototype, key, 0);
    const options = freshness === 'ttl' ? { ttl: 60, ...shape.options } : { freshness };
    for (const decorate of [...shape.decorators, Get(String(index)), CacheResponse(options)])
      decorate(prototype, key, descriptor);
  }
  Controller()(Shapes);
  return Shapes;
}
